"""By when evidence is due for disputes: the earliest deadline is a gauge, which events move, and its passing.

Each deadline that is still to come is a deferred check, due when it passes: so they are a bounded list that the store
keeps sorted, and housekeeping takes off what is over. It finds nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bw_exporter.checks.check import load, save
from bw_exporter.config.tenants import Tenant
from bw_exporter.facts import Fact
from bw_exporter.facts.disputes import DisputeSeen
from bw_exporter.metrics import catalog
from bw_exporter.metrics.series import Add
from bw_exporter.store.declared import DeferredOf, Read, StatesOf
from bw_exporter.store.protocol import DeferredCheck, Finding, Transaction
from bw_exporter.store.retention import LEDGER_SECONDS

NAME = "dispute_deadline"
DETAILS: tuple[str, ...] = ()
FACTS = (DisputeSeen,)
TAKES_LISTED = True

_DEADLINE = "deadline"
_ALL = "disputes"
"""The one subject of all deadlines of a tenant."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """The newest snapshot's order, and by when it has to be answered; 0 where there is nothing to answer."""

    order: tuple[int, int] = (-1, -1)
    due_at: int = 0


def reads(fact: Fact, tenant: Tenant) -> Iterator[Read]:
    """Yield the dispute, and all deadlines that are to come."""
    if isinstance(fact, DisputeSeen):
        yield StatesOf(tenant.id, fact.dispute)
        yield DeferredOf(tenant.id, NAME, _ALL)


def observe(fact: Fact, tx: Transaction, tenant: Tenant, now: int) -> None:
    """Follow the deadline of the newest snapshot."""
    if not isinstance(fact, DisputeSeen):
        return
    known = load(Deadline, tx, tenant.id, _DEADLINE, fact.dispute)
    seen = Deadline(fact.order, fact.evidence_due_at or 0)
    if _place(seen) <= _place(known):
        return
    save(seen, tx, tenant.id, _DEADLINE, fact.dispute, now + LEDGER_SECONDS)
    waiting = {each.key: each for each in tx.deferred(tenant.id, NAME, _ALL)}
    before = _earliest(waiting.values())
    # A deadline further off than a dispute is remembered is none of Stripe's.
    if now < seen.due_at <= now + LEDGER_SECONDS:
        waiting[fact.dispute] = DeferredCheck(tenant.id, NAME, fact.dispute, _ALL, seen.due_at, b"{}")
        tx.defer(waiting[fact.dispute])
    elif fact.dispute in waiting:
        tx.drop(waiting.pop(fact.dispute))
    _move(tx, tenant.id, before, _earliest(waiting.values()))


def resolve(deferred: DeferredCheck, tx: Transaction, now: int) -> Finding | None:  # noqa: ARG001 - every check's signature
    """Take a deadline off that has passed."""
    left = tx.deferred(deferred.tenant, NAME, _ALL)
    _move(tx, deferred.tenant, _earliest([deferred, *left]), _earliest(left))
    return None


def _place(deadline: Deadline) -> tuple[tuple[int, int], bool, int]:
    """Of two snapshots of one second and type, the answered one is the later one."""
    return tuple(deadline.order), not deadline.due_at, deadline.due_at  # type: ignore[return-value]


def _earliest(waiting: Iterable[DeferredCheck]) -> int:
    return min((each.due_at for each in waiting), default=0)


def _move(tx: Transaction, tenant: str, before: int, after: int) -> None:
    if before != after:
        tx.change(tenant, (Add(catalog.DISPUTES_NEXT_DUE, (), after - before),))
