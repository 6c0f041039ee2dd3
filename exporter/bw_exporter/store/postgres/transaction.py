"""A transaction on PostgreSQL: what works change is gathered, and written at its end in one round trip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bw_exporter.metrics.catalog import STORE_COMMITS
from bw_exporter.metrics.family import Family
from bw_exporter.metrics.series import Add, Change, RaiseTo, Series, series
from bw_exporter.store.declared import DeferredOf, EventId, StatesOf
from bw_exporter.store.marks import nearest, secret_topic
from bw_exporter.store.postgres.reads import Span, Tables
from bw_exporter.store.protocol import DeferredCheck, Finding, Mark
from bw_exporter.store.retention import to_the_full_hour


@dataclass(slots=True)
class Gathered:
    """What a transaction has changed and not written yet. A deferred check that was dropped is None."""

    events: dict[EventId, None] = field(default_factory=dict)
    states: dict[tuple[str, str, str], tuple[bytes, int]] = field(default_factory=dict)
    marks: dict[tuple[str, int], dict[Mark, int]] = field(default_factory=dict)
    deferred: dict[tuple[str, str, str], DeferredCheck | None] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    added: dict[Series, int] = field(default_factory=dict)
    raised: dict[Series, int] = field(default_factory=dict)
    observed: dict[tuple[Family, str], list[int]] = field(default_factory=dict)
    counted: bool = False

    def __bool__(self) -> bool:
        return any(
            (
                self.events,
                self.states,
                self.marks,
                self.deferred,
                self.findings,
                self.added,
                self.raised,
                self.observed,
            )
        )


class PostgresTransaction:
    """See protocol.Transaction. Works of one group see each other's changes through what is gathered here."""

    def __init__(self, reads: Tables, payer_key: bytes) -> None:
        self.reads = reads
        self.gathered = Gathered()
        self._payer_key = payer_key

    def remember_event(self, created_at: int, tenant: str, event: str) -> bool:
        if self.knows_event(created_at, tenant, event):
            return False
        self.gathered.events[EventId(created_at, tenant, event)] = None
        return True

    def knows_event(self, created_at: int, tenant: str, event: str) -> bool:
        key = EventId(created_at, tenant, event)
        return key in self.gathered.events or self.reads.knows(key)

    def saw_event_since(self, tenant: str, since_at: int, besides: str) -> bool:
        return any(
            owner == tenant and at >= since_at and event != besides
            for at, owner, event in self.gathered.events
        ) or self.reads.seen_since(tenant, since_at, besides)

    def load(self, tenant: str, kind: str, key: str) -> bytes | None:
        saved = self.gathered.states.get((tenant, key, kind))
        return saved[0] if saved else self.reads.states(StatesOf(tenant, key)).get(kind)

    def save(self, tenant: str, kind: str, key: str, state: bytes, keep_until: int) -> None:
        self.gathered.states[tenant, key, kind] = (state, to_the_full_hour(keep_until))

    def mark(self, tenant: str, topic: int, mark: Mark, keep_until: int) -> None:
        self.gathered.marks.setdefault((tenant, topic), {})[mark] = keep_until

    def marks_around(
        self, tenant: str, topic: int, mark: Mark, within_seconds: int, limit: int
    ) -> tuple[list[Mark], list[Mark]]:
        at, _ = mark
        span = Span(tenant, topic, at - within_seconds, at + within_seconds)
        found = set(self.reads.marks(span, mark, limit))
        gathered = self.gathered.marks.get((tenant, topic), {})
        found.update(other for other in gathered if abs(other[0] - at) <= within_seconds)
        return nearest(found, mark, limit)

    def defer(self, deferred: DeferredCheck) -> None:
        self.gathered.deferred[deferred.tenant, deferred.check, deferred.key] = deferred

    def deferred(self, tenant: str, check: str, subject: str) -> list[DeferredCheck]:
        wanted = DeferredOf(tenant, check, subject)
        found = self._unchanged(self.reads.deferred(wanted))
        found += [
            each
            for each in self.gathered.deferred.values()
            if each is not None and (each.tenant, each.check, each.subject) == wanted
        ]
        return sorted(found, key=lambda each: each.key)

    def due(self, now: int, limit: int) -> list[DeferredCheck]:
        gathered = self.gathered.deferred
        found = self._unchanged(self.reads.due(now, limit + len(gathered)))
        found += [each for each in gathered.values() if each is not None and each.due_at <= now]
        return sorted(found, key=lambda each: (each.due_at, each.tenant, each.check, each.key))[:limit]

    def drop(self, deferred: DeferredCheck) -> bool:
        key = (deferred.tenant, deferred.check, deferred.key)
        gathered = self.gathered.deferred
        found = gathered[key] if key in gathered else self.reads.deferred_check(*key)
        if found is None or found.due_at != deferred.due_at:
            return False
        gathered[key] = None
        return True

    def report(self, finding: Finding) -> None:
        self.gathered.findings.append(finding)

    def change(self, tenant: str, changes: Sequence[Change]) -> None:
        added, raised, observed = self.gathered.added, self.gathered.raised, self.gathered.observed
        for each in changes:
            if isinstance(each, RaiseTo):
                line = series(each.family, tenant)
                raised[line] = max(raised.get(line, 0), each.value)
                continue
            self.gathered.counted = True
            if isinstance(each, Add):
                line = series(each.family, tenant, each.values)
                added[line] = added.get(line, 0) + each.amount
            else:
                observed.setdefault((each.family, tenant), []).append(each.value)

    def secret_topic(self, *parts: str) -> int:
        return secret_topic(self._payer_key, parts)

    def taken(self) -> Gathered:
        """Hand over what was gathered, to be written; what is read afterwards is read from the tables."""
        gathered, self.gathered = self.gathered, Gathered()
        if gathered.counted:
            gathered.added[series(STORE_COMMITS, "")] = 1
        self.reads.forget()
        return gathered

    def _unchanged(self, found: list[DeferredCheck]) -> list[DeferredCheck]:
        gathered = self.gathered.deferred
        return [each for each in found if (each.tenant, each.check, each.key) not in gathered]
