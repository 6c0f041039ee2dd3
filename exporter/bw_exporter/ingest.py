"""Parse a verified body and apply it in one durable transaction."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from bw_exporter import facts
from bw_exporter.checks import CHECKS
from bw_exporter.config.tenants import Tenant
from bw_exporter.effects import EFFECTS
from bw_exporter.facts import Fact, event
from bw_exporter.facts.event import Event, NotAnEventError
from bw_exporter.facts.reading import MalformedError
from bw_exporter.metrics import catalog
from bw_exporter.metrics.labels import HANDLED_EVENT_TYPES, listed
from bw_exporter.metrics.series import Add, Change, Observe, RaiseTo
from bw_exporter.store.declared import DeclaredWork, EventId, Read, StatesOf
from bw_exporter.store.protocol import FOREVER, Store, Transaction
from bw_exporter.store.retention import EVENT_IDS_SECONDS, LATE_EVENT_SECONDS
from bw_exporter.store.state_json import decoded, encoded

Result = Literal["accepted", "redelivered", "malformed"]
Ignored = Literal["wrong_mode", "connect", "thin", "malformed", "destination_copy"]

_LATE_KIND = "event"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Intake:
    """A verified body, read: the work that counts it, and what to warn of where that accepts it."""

    work: DeclaredWork[Result]
    warning: Mapping[str, str] = field(default_factory=dict)

    def warn(self, result: Result) -> None:
        """Tell of what was accepted and cannot be read, now that the result of the work is durable."""
        if self.warning and result == "accepted":
            _log.warning("an event was accepted and not applied, since it cannot be read", extra=self.warning)


def receive(body: bytes, tenant: Tenant, store: Store, now: int) -> Result:
    """Take a verified body in; what it returns is durable.

    Raises StoreUnavailableError where nothing was counted and Stripe should send the event again.
    """
    intake = read(body, tenant, now)
    result = store.write(intake.work)
    intake.warn(result)
    return result


def read(body: bytes, tenant: Tenant, now: int) -> Intake:
    """Read a verified body, all but the store's part of taking it in."""
    try:
        received = event.parse(body)
    except NotAnEventError:
        return Intake(DeclaredWork(lambda tx: _not_an_event(tx, tenant, now), tuple))
    return _intake(received, tenant, now, _delivered)


def missed(body: bytes, tenant: Tenant, now: int) -> Intake:
    """Read an event that Stripe lists and that is old enough to have come; its work counts it if no webhook brought it.

    It moves neither the lag nor when the last event arrived. Raises NotAnEventError.
    """
    return _intake(event.parse(body), tenant, now, _caught_up)


def standing(name: str, found: dict[str, object], tenant: Tenant, at: int) -> DeclaredWork[bool]:
    """Read an object of one of Stripe's lists as it was at `at`; its work remembers it if nothing of it is known.

    It moves gauges and counts nothing; False where it was known, or is none of the tenant's.
    """
    livemode, account = found.get("livemode"), found.get("account")
    received = Event(
        id="",
        type=facts.LISTED[name].type,
        created_at=at,
        livemode=livemode if isinstance(livemode, bool) else None,
        account=account if isinstance(account, str) else None,
        object=found,
    )
    read = () if _foreign(received, tenant) else _listed(name, received)
    return DeclaredWork(
        lambda tx: True in [_stands(tx, tenant, fact, at) for fact in read],
        lambda: _reads(tenant, received, _Reading(read), at),
    )


def _listed(name: str, received: Event) -> tuple[Fact, ...]:
    try:
        return facts.listed(name, received)
    except MalformedError:
        return ()  # an event of it will say so


def _stands(tx: Transaction, tenant: Tenant, fact: Fact, at: int) -> bool:
    effects = EFFECTS.get(type(fact), ())
    if any(tx.load(tenant.id, effect.kind, effect.key(fact)) is not None for effect in effects):
        return False
    tx.change(tenant.id, _effects(tx, tenant, fact, at))
    for check in CHECKS.values():
        if isinstance(fact, check.FACTS) and getattr(check, "TAKES_LISTED", False):
            check.observe(fact, tx, tenant, at)
    return True


def _intake(received: Event, tenant: Tenant, now: int, arrival: Arrival) -> Intake:
    reading = _read(received, tenant)
    warning = {}
    if reading.malformed:
        about = {"event": received.id, "type": _label(received), "problem": reading.malformed}
        warning = {"tenant": tenant.id, **about}
    work = DeclaredWork(
        lambda tx: _applied(tx, tenant, received, reading, now, arrival),
        lambda: _reads(tenant, received, reading, now),
    )
    return Intake(work, warning)


Arrival = Callable[[Event, int, bool], list[Change]]
"""What an event changes by the way it came: given the event, now, and whether it is new."""


def _delivered(received: Event, now: int, new: bool) -> list[Change]:  # noqa: FBT001 - the callable's own shape
    arrived = RaiseTo(catalog.LAST_EVENT, now)
    if not new:
        redelivered = Add(catalog.EVENTS_IGNORED, ("redelivered",))
        return [redelivered, Add(catalog.WEBHOOK_REQUESTS, ("redelivered",)), arrived]
    changes: list[Change] = [Add(catalog.WEBHOOK_REQUESTS, ("accepted",)), arrived]
    if received.created_at is not None:
        changes.append(Observe(catalog.WEBHOOK_LAG, max(0, now - received.created_at)))
    return changes


def _caught_up(_received: Event, _now: int, new: bool) -> list[Change]:  # noqa: FBT001 - the callable's own shape
    return [Add(catalog.EVENTS_CAUGHT_UP)] if new else []


@dataclass(frozen=True, slots=True)
class _Reading:
    """An event's facts, or why it is ignored; `malformed` says what cannot be read, naming fields, not values."""

    facts: tuple[Fact, ...] = ()
    ignored: Ignored | None = None
    malformed: str = ""


def _read(received: Event, tenant: Tenant) -> _Reading:
    foreign = _foreign(received, tenant)
    if foreign is not None:
        return _Reading(ignored=foreign)
    if received.malformed is not None:
        return _Reading(ignored="malformed", malformed=received.malformed)
    try:
        read = facts.facts_of(received)
    except MalformedError as error:
        return _Reading(ignored="malformed", malformed=str(error))
    if tenant.destination_charges == "ignore" and facts.is_destination_copy(received):
        return _Reading(ignored="destination_copy")
    return _Reading(read)


def _foreign(received: Event, tenant: Tenant) -> Ignored | None:
    """Why an event's object is not looked at, if so."""
    if received.thin:
        return "thin"
    if received.livemode is not None and received.livemode != (tenant.mode == "live"):
        return "wrong_mode"
    return "connect" if received.account is not None else None


def _label(received: Event) -> str:
    return listed(received.type, HANDLED_EVENT_TYPES)


def _not_an_event(tx: Transaction, tenant: Tenant, now: int) -> Result:
    tx.change(
        tenant.id,
        (
            Add(catalog.EVENTS_IGNORED, ("malformed",)),
            Add(catalog.WEBHOOK_REQUESTS, ("malformed",)),
            RaiseTo(catalog.LAST_EVENT, now),
        ),
    )
    return "malformed"


def _applied(
    tx: Transaction,
    tenant: Tenant,
    received: Event,
    reading: _Reading,
    now: int,
    arrival: Arrival,
) -> Result:
    new = _first_seen(tx, tenant.id, received, now)
    changes = arrival(received, now, new)
    if not new:
        tx.change(tenant.id, changes)
        return "redelivered"
    if reading.ignored is None:
        changes.append(Add(catalog.EVENTS, (_label(received),)))
    else:
        changes.append(Add(catalog.EVENTS_IGNORED, (reading.ignored,)))
    for fact in reading.facts:
        changes += _effects(tx, tenant, fact, now)
    tx.change(tenant.id, changes)
    for fact in reading.facts:
        for check in CHECKS.values():
            if isinstance(fact, check.FACTS):
                check.observe(fact, tx, tenant, now)
    return "accepted"


def _reads(tenant: Tenant, received: Event, reading: _Reading, now: int) -> Iterator[Read]:
    """Yield what applying the event reads, as far as the event alone says it."""
    at = received.created_at
    if at is not None:
        yield EventId(at, tenant.id, received.id)
    if _late(received, now):
        yield StatesOf(tenant.id, received.id)
    for fact in reading.facts:
        for effect in EFFECTS.get(type(fact), ()):
            if effect.basis in (None, tenant.revenue_basis):
                yield StatesOf(tenant.id, effect.key(fact))
        for check in CHECKS.values():
            if isinstance(fact, check.FACTS):
                yield from check.reads(fact, tenant)


def _effects(tx: Transaction, tenant: Tenant, fact: Fact, now: int) -> list[Change]:
    """Apply a fact to what is remembered of its object; return the changes of series."""
    changes: list[Change] = []
    for effect in EFFECTS.get(type(fact), ()):
        if effect.basis not in (None, tenant.revenue_basis):
            continue
        key = effect.key(fact)
        state = decoded(effect.state, tx.load(tenant.id, effect.kind, key))
        following, changed = effect.apply(fact, state, tenant)
        if following is not None and following != state:
            kept = effect.keep_seconds(following)
            keep_until = FOREVER if kept is None else now + kept
            tx.save(tenant.id, effect.kind, key, encoded(following), keep_until)
        changes += changed
    return changes


def _first_seen(tx: Transaction, tenant: str, received: Event, now: int) -> bool:
    """Remember an event's id; False if it was received before.

    Ids are remembered by creation, which is the cheapest to prune. An event without one, or from so long ago
    that it would be pruned before its redelivery, is remembered by receipt instead.
    """
    at = received.created_at
    if at is not None and not _late(received, now):
        return tx.remember_event(at, tenant, received.id)
    if at is not None and tx.knows_event(at, tenant, received.id):
        return False
    if tx.load(tenant, _LATE_KIND, received.id) is not None:
        return False
    tx.save(tenant, _LATE_KIND, received.id, b"{}", now + EVENT_IDS_SECONDS)
    return True


def _late(received: Event, now: int) -> bool:
    return received.created_at is None or received.created_at < now - LATE_EVENT_SECONDS
