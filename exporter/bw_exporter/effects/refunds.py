"""Refunds and their failures, seen from the charge and from the refund, each counted once."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise

from bw_exporter.config.tenants import Tenant
from bw_exporter.effects.effect import Effect
from bw_exporter.facts.refunds import ChargeRefunded, RefundFailed, RefundMade
from bw_exporter.metrics import catalog
from bw_exporter.metrics.series import Add, Change

Step = tuple[int | None, int, int]
"""Minor units refunded in all before and after an event of the charge, and when that was made."""


@dataclass(frozen=True, slots=True)
class Refunds:
    """A charge's refunds: by refund object, and as the steps of the charge's amount_refunded.

    Card refunds have had their own events only since 2024-10-28.acacia, so both views are kept and the
    larger counts. `failed` holds when a refund failed and its amount, `taken` what was captured, where an event says
    so. `amount` and `number` are what was counted. `levels` and `baseline` are how steps were kept before: the
    cumulative amounts seen, and what the first of them replaced.
    """

    by_refund: dict[str, int] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    failed: dict[str, tuple[int, int]] = field(default_factory=dict)
    taken: int | None = None
    amount: int = 0
    number: int = 0
    levels: list[int] = field(default_factory=list)
    baseline: int | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """That an object was counted."""

    counted: bool = False


def charge_refunded(fact: ChargeRefunded, state: Refunds, _tenant: Tenant) -> tuple[Refunds, list[Change]]:
    """Count the event's step, beyond what the ledger has counted."""
    steps, step = _steps(state), (fact.before, fact.after, fact.at)
    seen = replace(
        state,
        steps=steps if step in steps else [*steps, step],
        taken=state.taken if fact.taken is None else max(fact.taken, state.taken or 0),
        levels=[],
        baseline=None,
    )
    return _counted(seen, fact.currency)


def refund_made(fact: RefundMade, state: Refunds, _tenant: Tenant) -> tuple[Refunds, list[Change]]:
    """Count a refund object that the ledger has not counted."""
    return _counted(replace(state, by_refund={**state.by_refund, fact.refund: fact.amount}), fact.currency)


def refund_failed(_fact: RefundFailed, state: Seen, _tenant: Tenant) -> tuple[Seen, list[Change]]:
    """Count a failed refund once; what was counted as refunded stays, as counters do."""
    return Seen(counted=True), [] if state.counted else [Add(catalog.REFUND_FAILURES)]


def step_taken_back(fact: RefundFailed, state: Refunds, _tenant: Tenant) -> tuple[Refunds, list[Change]]:
    """Remember the failure: a step of the charge that repeats one from before it is another refund."""
    if fact.refund in state.failed:
        return state, []
    return _counted(
        replace(state, failed={**state.failed, fact.refund: (fact.at, fact.amount)}), fact.currency
    )


def _counted(seen: Refunds, currency: str) -> tuple[Refunds, list[Change]]:
    stepped, number, fallen = _walked(seen)
    failed = sum(amount for _, amount in seen.failed.values())
    amount = max(sum(seen.by_refund.values()), stepped)
    if seen.taken is not None:
        # Refunds that stand cannot give back more than was taken.
        amount = min(amount, seen.taken + max(failed, fallen))
    amount, number = max(amount, seen.amount), max(len(seen.by_refund), number, seen.number)
    changes: list[Change] = []
    if number > seen.number:
        changes.append(Add(catalog.REFUNDS, (), number - seen.number))
    if amount > seen.amount:
        changes.append(Add(catalog.REFUNDED, (currency,), amount - seen.amount))
    return replace(seen, amount=amount, number=number), changes


def _walked(seen: Refunds) -> tuple[int, int, int]:
    """Return the sum and the number of the steps, and what must have failed between them.

    A step that repeats the one before it is a twin event's, unless a refund failed between the two.
    """
    total, number, fallen, stood = 0, 0, 0, 0
    last: Step | None = None
    for step in sorted(_steps(seen), key=_order):
        before, after, at = step
        failed = [amount for then, amount in seen.failed.values() if last and last[2] <= then <= at]
        if last and (before, after) == last[:2] and not failed:
            continue
        begun = max(0, stood - sum(failed)) if before is None else before
        fallen, stood = fallen + max(0, stood - begun), after
        more = after - begun if seen.taken is None else min(after - begun, seen.taken)
        if more > 0:
            total, number = total + more, number + 1
        last = step
    return total, number, fallen


def _order(step: Step) -> tuple[int, int, int]:
    """Seconds tie; of one second the step that begins lower is the earlier one."""
    before, after, at = step
    return at, after if before is None else before, after


def _steps(state: Refunds) -> list[Step]:
    if state.levels:
        levels = sorted({state.baseline or 0, *(n for n in state.levels if n > (state.baseline or 0))})
        return [(before, after, 0) for before, after in pairwise(levels)]
    return [(before, after, at) for before, after, at in state.steps]


def _ledger(fact: RefundMade | RefundFailed) -> str:
    return fact.ledger


EFFECTS: dict[type, tuple[Effect, ...]] = {
    ChargeRefunded: (Effect("refunds", lambda fact: fact.charge, Refunds, charge_refunded),),
    RefundMade: (Effect("refunds", _ledger, Refunds, refund_made),),
    RefundFailed: (
        Effect("refund_failed", lambda fact: fact.refund, Seen, refund_failed),
        Effect("refunds", _ledger, Refunds, step_taken_back),
    ),
}
"""How each type of fact in this room counts."""
