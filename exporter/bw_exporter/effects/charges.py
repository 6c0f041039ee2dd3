"""Charges, refunds and payment intents: attempts, failures, revenue, refunds, each counted once per object."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from bw_exporter.config.tenants import Tenant
from bw_exporter.effects.effect import Effect
from bw_exporter.facts.charges import (
    ChargeFailed,
    ChargeMade,
    PaymentIntentFailed,
    PaymentIntentSucceeded,
)
from bw_exporter.facts.refunds import ChargeRefunded, RefundFailed, RefundMade
from bw_exporter.metrics import catalog
from bw_exporter.metrics.series import Add, Change
from bw_exporter.store.retention import CHARGE_LEDGER_SECONDS


@dataclass(frozen=True, slots=True)
class Charge:
    """What was counted of a charge: an attempt, a failure, and money taken in minor units."""

    attempted: bool = False
    failed: bool = False
    taken: int = 0


@dataclass(frozen=True, slots=True)
class Refunds:
    """A charge's refunds: by refund object, and as the charge tells them (`cumulative` over `baseline`).

    Card refunds have had their own events only since 2024-10-28.acacia, so both views are kept and the
    larger counts. `levels` are the cumulative amounts seen, one per refund. `amount` and `number` are what
    was counted.
    """

    by_refund: dict[str, int] = field(default_factory=dict)
    cumulative: int = 0
    baseline: int | None = None
    levels: list[int] = field(default_factory=list)
    amount: int = 0
    number: int = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """That an object was counted."""

    counted: bool = False


@dataclass(frozen=True, slots=True)
class Received:
    """Minor units counted as received by a payment intent."""

    amount: int = 0


def charge_made(fact: ChargeMade, state: Charge, tenant: Tenant) -> tuple[Charge | None, list[Change]]:
    """Count an attempt once per charge, and the increase of money taken (captures may come in parts)."""
    if fact.mirror:
        return None, []
    changes: list[Change] = []
    if not state.attempted:
        changes.append(Add(catalog.CHARGE_ATTEMPTS))
    more = fact.taken - state.taken
    if more > 0 and tenant.revenue_basis == "charge":
        changes.append(Add(catalog.REVENUE, (fact.currency,), more))
    return Charge(attempted=True, failed=state.failed, taken=max(fact.taken, state.taken)), changes


def charge_failed(fact: ChargeFailed, state: Charge, _tenant: Tenant) -> tuple[Charge | None, list[Change]]:
    """Count a failure once per charge; a bank debit may succeed first and fail later."""
    if fact.mirror:
        return None, []
    return _failure(fact.reason, state)


def charge_refunded(fact: ChargeRefunded, state: Refunds, _tenant: Tenant) -> tuple[Refunds, list[Change]]:
    """Count what the charge says was refunded beyond what the ledger has counted."""
    baselines = [known for known in (state.baseline, fact.baseline) if known is not None]
    levels = state.levels if fact.cumulative in state.levels else [*state.levels, fact.cumulative]
    seen = replace(
        state,
        cumulative=max(state.cumulative, fact.cumulative),
        baseline=min(baselines, default=None),
        levels=levels,
    )
    return _refunded(seen, fact.currency)


def refund_made(fact: RefundMade, state: Refunds, _tenant: Tenant) -> tuple[Refunds, list[Change]]:
    """Count a refund object that the ledger has not counted."""
    seen = replace(state, by_refund={**state.by_refund, fact.refund: fact.amount})
    return _refunded(seen, fact.currency)


def refund_failed(_fact: RefundFailed, state: Seen, _tenant: Tenant) -> tuple[Seen, list[Change]]:
    """Count a failed refund once; what was counted as refunded stays, as counters do."""
    return Seen(counted=True), [] if state.counted else [Add(catalog.REFUND_FAILURES)]


def payment_intent_money(
    fact: PaymentIntentSucceeded, state: Received, _tenant: Tenant
) -> tuple[Received, list[Change]]:
    """Count revenue once per payment intent."""
    more = fact.amount - state.amount
    changes: list[Change] = [Add(catalog.REVENUE, (fact.currency,), more)] if more > 0 else []
    return Received(max(fact.amount, state.amount)), changes


def payment_intent_attempt(
    _fact: PaymentIntentSucceeded, state: Charge, _tenant: Tenant
) -> tuple[Charge, list[Change]]:
    """Count the attempt behind a payment intent where the tenant's endpoint gets no charge events."""
    changes: list[Change] = [] if state.attempted else [Add(catalog.CHARGE_ATTEMPTS)]
    return replace(state, attempted=True), changes


def payment_intent_failed(
    fact: PaymentIntentFailed, state: Charge, _tenant: Tenant
) -> tuple[Charge | None, list[Change]]:
    """Count the failure of a charge that a payment intent tells of, for endpoints without charge events."""
    return (None, []) if fact.charge is None else _failure(fact.reason, state)


def authentication_failed(
    fact: PaymentIntentFailed, state: Seen, _tenant: Tenant
) -> tuple[Seen | None, list[Change]]:
    """Count an attempt that failed before any charge was made; with a charge it is the charge's failure."""
    if fact.charge is not None or state.counted:
        return None, []
    return Seen(counted=True), [Add(catalog.AUTHENTICATION_FAILURES)]


def _failure(reason: str, state: Charge) -> tuple[Charge, list[Change]]:
    changes: list[Change] = []
    if not state.attempted:
        changes.append(Add(catalog.CHARGE_ATTEMPTS))
    if not state.failed:
        changes.append(Add(catalog.CHARGE_FAILURES, (reason,)))
    return replace(state, attempted=True, failed=True), changes


def _refunded(seen: Refunds, currency: str) -> tuple[Refunds, list[Change]]:
    baseline = seen.baseline or 0
    amount = max(sum(seen.by_refund.values()), seen.cumulative - baseline, seen.amount)
    number = max(len(seen.by_refund), sum(level > baseline for level in seen.levels), seen.number)
    changes: list[Change] = []
    if number > seen.number:
        changes.append(Add(catalog.REFUNDS, (), number - seen.number))
    if amount > seen.amount:
        changes.append(Add(catalog.REFUNDED, (currency,), amount - seen.amount))
    return replace(seen, amount=amount, number=number), changes


def _charge_kept(_state: Charge) -> int:
    return CHARGE_LEDGER_SECONDS


def _charge_key(fact: ChargeMade | ChargeFailed | ChargeRefunded) -> str:
    return fact.charge


EFFECTS: dict[type, tuple[Effect, ...]] = {
    ChargeMade: (Effect("charge", _charge_key, Charge, charge_made, _charge_kept),),
    ChargeFailed: (Effect("charge", _charge_key, Charge, charge_failed, _charge_kept),),
    ChargeRefunded: (Effect("refunds", _charge_key, Refunds, charge_refunded),),
    RefundMade: (Effect("refunds", lambda fact: fact.ledger, Refunds, refund_made),),
    RefundFailed: (Effect("refund_failed", lambda fact: fact.refund, Seen, refund_failed),),
    PaymentIntentSucceeded: (
        Effect(
            "received",
            lambda fact: fact.payment_intent,
            Received,
            payment_intent_money,
            basis="payment_intent",
        ),
        Effect(
            "charge",
            lambda fact: fact.charge or fact.payment_intent,
            Charge,
            payment_intent_attempt,
            _charge_kept,
            basis="payment_intent",
        ),
    ),
    PaymentIntentFailed: (
        Effect("authentication", lambda fact: fact.event, Seen, authentication_failed),
        Effect(
            "charge",
            lambda fact: fact.charge or fact.event,
            Charge,
            payment_intent_failed,
            _charge_kept,
            basis="payment_intent",
        ),
    ),
}
"""How each type of fact in this room counts."""
