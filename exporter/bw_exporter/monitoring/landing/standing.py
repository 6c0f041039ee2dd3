"""How a tenant stands: one state with its reason, from what was counted and when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bw_exporter.metrics import catalog
from bw_exporter.monitoring.landing.advice import IGNORED, REFUSED
from bw_exporter.monitoring.landing.counts import Counts, of

if TYPE_CHECKING:
    from bw_exporter.config.tenants import Tenant
    from bw_exporter.monitoring.landing.recent import Recent

FAMILIES = (
    catalog.EVENTS_IGNORED,
    catalog.LAST_EVENT,
    catalog.LAST_DUPLICATE,
    catalog.LAST_MISMATCH,
    catalog.LAST_FINDING,
    catalog.WEBHOOK_REQUESTS,
)
"""What a standing is made of."""

_LAST_FOUND = (catalog.LAST_FINDING, catalog.LAST_DUPLICATE, catalog.LAST_MISMATCH)
"""Findings of before LAST_FINDING was kept moved the others alone."""

RECENT_SECONDS = 900
FOUND_SECONDS = 86_400
_APART_SECONDS = 60
"""So much later than the last valid event a refusal has to be before nothing valid seems to come any more."""


@dataclass(frozen=True, slots=True)
class State:
    """One way to stand; `level` is how much it matters."""

    key: str
    level: Literal["bad", "warn", "wait", "good"]
    word: str
    meaning: str


STATES = (
    State("refused", "bad", "Refused", "Requests come and are refused; no valid event has come since."),
    State("ignored", "bad", "Ignored", "Events come, validly signed, and none of them is counted."),
    State("found", "bad", "Findings", "A check found something within 24 hours, such as a duplicate charge."),
    State("silent", "warn", "Silent", "Nothing has come for longer than silent_lapse allows."),
    State("partly", "warn", "Partly refused", "Some requests of the last 15 minutes were refused."),
    State("waiting", "wait", "Not reached yet", "No request has come to this tenant's address."),
    State(
        "ok",
        "good",
        "Receiving",
        "Events come in and are counted. Whether there are as many as usual, Prometheus alone can tell.",
    ),
)
"""Every state, the worst first."""

REFUSED_STATE, IGNORED_STATE, FOUND, SILENT, PARTLY, WAITING, RECEIVING = STATES
RANK = {state: rank for rank, state in enumerate(STATES)}
TROUBLES = frozenset(state.key for state in STATES if state.level in ("bad", "warn"))


@dataclass(frozen=True, slots=True)
class Tally:
    """How many requests or events were refused or ignored for one reason; `last_at` is 0 where it is not known."""

    what: str
    count: int
    reason: str
    way_out: str
    last_at: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """A tenant's state and the counts behind it; `found_at` and `last_event_at` are 0 for never."""

    tenant: Tenant
    state: State
    last_event_at: int
    found_at: int
    accepted: int
    refused: tuple[Tally, ...]
    ignored: tuple[Tally, ...]

    @property
    def refused_count(self) -> int:
        """Requests refused, ever."""
        return sum(each.count for each in self.refused)

    @property
    def refused_at(self) -> int:
        """When the last refusal was seen, 0 if that was before we looked."""
        return max((each.last_at for each in self.refused), default=0)

    @property
    def worst(self) -> Tally | None:
        """What to look at first: the latest refusal, else the largest part of what is ignored."""
        if self.state in (REFUSED_STATE, PARTLY):
            return max(self.refused, key=lambda each: (each.last_at, each.count))
        return self.ignored[0] if self.state is IGNORED_STATE else None


def standing(tenant: Tenant, found: Counts, recent: Recent, now: int) -> Standing:
    """Judge one tenant; `found` holds its counts of FAMILIES."""
    refused = tuple(
        Tally(result, count, reason, way_out, recent.at(tenant.id, result))
        for result, (reason, way_out) in REFUSED.items()
        if (count := of(found, catalog.WEBHOOK_REQUESTS, result))
    )
    ignored = tuple(
        Tally(reason, count, words, way_out)
        for reason, (words, way_out) in IGNORED.items()
        if (count := of(found, catalog.EVENTS_IGNORED, reason))
    )
    last_event_at = of(found, catalog.LAST_EVENT)
    found_at = max(of(found, last) for last in _LAST_FOUND)
    accepted = of(found, catalog.WEBHOOK_REQUESTS, "accepted")
    state = _state(
        tenant,
        refused_at=max((each.last_at for each in refused), default=0),
        refused=bool(refused),
        last_event_at=last_event_at,
        nothing_applied=0 < accepted <= _not_applied(found),
        found_at=found_at,
        now=now,
    )
    return Standing(tenant, state, last_event_at, found_at, accepted, refused, ignored)


def _not_applied(found: Counts) -> int:
    """Accepted events that were ignored; bodies that are no event are counted as ignored and were not accepted."""
    ignored = sum(of(found, catalog.EVENTS_IGNORED, reason) for reason in IGNORED if reason != "redelivered")
    return ignored - of(found, catalog.WEBHOOK_REQUESTS, "malformed")


def _state(
    tenant: Tenant,
    *,
    refused_at: int,
    refused: bool,
    last_event_at: int,
    nothing_applied: bool,
    found_at: int,
    now: int,
) -> State:
    recently = refused_at > now - RECENT_SECONDS
    if refused and (not last_event_at or (recently and refused_at > last_event_at + _APART_SECONDS)):
        return REFUSED_STATE
    if nothing_applied:
        return IGNORED_STATE
    if found_at > now - FOUND_SECONDS:
        return FOUND
    if last_event_at and now - last_event_at > _longest_silence(tenant):
        return SILENT
    if recently:
        return PARTLY
    return RECEIVING if last_event_at else WAITING


def _longest_silence(tenant: Tenant) -> float:
    thresholds = tenant.detectors.get("silent_lapse")
    if thresholds is None or not getattr(thresholds, "enabled", True):
        return float("inf")
    limit = getattr(thresholds, "max_silence", None)
    # A limit that follows the tenant's own rhythm is known to Prometheus alone.
    return limit if isinstance(limit, int) else float("inf")
