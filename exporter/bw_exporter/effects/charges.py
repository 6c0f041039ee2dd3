"""Charges and payment intents: attempts, failures and revenue, each counted once per object."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bw_exporter.config.tenants import Tenant
from bw_exporter.effects.effect import Effect
from bw_exporter.facts.charges import (
    ChargeFailed,
    ChargeMade,
    PaymentIntentFailed,
    PaymentIntentSucceeded,
)
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
class Seen:
    """That an object was counted."""

    counted: bool = False


@dataclass(frozen=True, slots=True)
class Received:
    """Minor units counted as received by a payment intent."""

    amount: int = 0


def charge_made(fact: ChargeMade, state: Charge, tenant: Tenant) -> tuple[Charge, list[Change]]:
    """Count an attempt once per charge, and the increase of money taken (captures may come in parts)."""
    changes: list[Change] = []
    if not state.attempted:
        changes.append(Add(catalog.CHARGE_ATTEMPTS))
    changes += _sale(fact.currency, fact.taken, state)
    more = fact.taken - state.taken
    if more > 0 and tenant.revenue_basis == "charge":
        changes.append(Add(catalog.REVENUE, (fact.currency,), more))
    return Charge(attempted=True, failed=state.failed, taken=max(fact.taken, state.taken)), changes


def charge_failed(fact: ChargeFailed, state: Charge, _tenant: Tenant) -> tuple[Charge, list[Change]]:
    """Count a failure once per charge; a bank debit may succeed first and fail later."""
    return _failure(fact.reason, state)


def payment_intent_money(
    fact: PaymentIntentSucceeded, state: Received, _tenant: Tenant
) -> tuple[Received, list[Change]]:
    """Count revenue once per payment intent."""
    more = fact.amount - state.amount
    changes: list[Change] = [Add(catalog.REVENUE, (fact.currency,), more)] if more > 0 else []
    return Received(max(fact.amount, state.amount)), changes


def payment_intent_attempt(
    fact: PaymentIntentSucceeded, state: Charge, _tenant: Tenant
) -> tuple[Charge, list[Change]]:
    """Count the charge behind a payment intent where the tenant's endpoint gets no charge events."""
    changes: list[Change] = [] if state.attempted else [Add(catalog.CHARGE_ATTEMPTS)]
    changes += _sale(fact.currency, fact.amount, state)
    return replace(state, attempted=True, taken=max(fact.amount, state.taken)), changes


def payment_intent_failed(
    fact: PaymentIntentFailed, state: Charge, _tenant: Tenant
) -> tuple[Charge | None, list[Change]]:
    """Count the failure of a charge that a payment intent names, for endpoints without charge events."""
    return (None, []) if fact.charge is None else _failure(fact.reason, state)


def authentication_failed(
    fact: PaymentIntentFailed, state: Seen, _tenant: Tenant
) -> tuple[Seen | None, list[Change]]:
    """Count an attempt that failed before any charge was made; with a charge it is the charge's failure."""
    if fact.charge is not None or state.counted:
        return None, []
    return Seen(counted=True), [Add(catalog.AUTHENTICATION_FAILURES)]


def _sale(currency: str, taken: int, state: Charge) -> list[Change]:
    """A charge is a sale once it has taken money, however often it takes more."""
    return [Add(catalog.CHARGES, (currency,))] if taken > 0 and not state.taken else []


def _failure(reason: str, state: Charge) -> tuple[Charge, list[Change]]:
    changes: list[Change] = []
    if not state.attempted:
        changes.append(Add(catalog.CHARGE_ATTEMPTS))
    if not state.failed:
        changes.append(Add(catalog.CHARGE_FAILURES, (reason,)))
    return replace(state, attempted=True, failed=True), changes


def _charge_kept(_state: Charge) -> int:
    return CHARGE_LEDGER_SECONDS


def _charge_key(fact: ChargeMade | ChargeFailed) -> str:
    return fact.charge


EFFECTS: dict[type, tuple[Effect, ...]] = {
    ChargeMade: (Effect("charge", _charge_key, Charge, charge_made, _charge_kept),),
    ChargeFailed: (Effect("charge", _charge_key, Charge, charge_failed, _charge_kept),),
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
