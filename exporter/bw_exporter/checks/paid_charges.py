"""What is remembered of charges that took money, so that two can be told to be alike or to be two purchases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from bw_exporter.checks.invoice_payments import Payment
from bw_exporter.facts.charges import ChargeFailed, ChargeMade
from bw_exporter.facts.invoices import InvoicePayment
from bw_exporter.facts.refunds import ChargeRefunded, RefundFailed, RefundMade
from bw_exporter.store.protocol import Transaction

PAID = "paid"
"""The kind of state in the store."""

OfCharge: TypeAlias = ChargeFailed | ChargeRefunded | RefundMade | RefundFailed | InvoicePayment
OF_CHARGES = (ChargeFailed, ChargeRefunded, RefundMade, RefundFailed, InvoicePayment)


@dataclass(frozen=True, slots=True)
class Paid:
    """What is remembered of a charge that took money.

    `topics` are MACs of each payer with currency and amount; `instrument` is the one of the payment method, 0 where
    its fingerprint is not known. `purchase` holds MACs of the metadata by which purchases differ, by key.
    `refunds` holds amount and time by refund, a failed one at 0; `refunded_at` is when the charge said that it
    was refunded in full. `failed`: it failed after all, and has taken nothing.
    """

    created_at: int = 0
    taken: int = 0
    currency: str = ""
    payment_intent: str = ""
    invoice: str = ""
    topics: list[int] = field(default_factory=list)
    instrument: int = 0
    purchase: dict[str, int] = field(default_factory=dict)
    refunds: dict[str, tuple[int, int]] = field(default_factory=dict)
    refunded_at: int | None = None
    failed: bool = False
    flagged: bool = False
    livemode: bool = True


def topics_of(fact: ChargeMade) -> list[tuple[str, str, str]]:
    """Return what the topics of equal charges are made of: one of each payer, the payment method's last."""
    # The prefix keeps a customer's id from ever meeting a fingerprint.
    payers = [f"customer {fact.customer}"] if fact.customer else []
    payers += [fact.instrument] if fact.instrument else []
    return [(payer, fact.currency_code, str(fact.taken)) for payer in payers]


def after_made(
    fact: ChargeMade, known: Paid, tx: Transaction, distinct_metadata: Sequence[str], *, livemode: bool
) -> Paid:
    """Return what is remembered of a charge once it is known to have been made."""
    topics = [tx.secret_topic(*parts) for parts in topics_of(fact)]
    return Paid(
        created_at=fact.created_at,
        taken=fact.taken,
        currency=fact.currency,
        payment_intent=fact.payment_intent or known.payment_intent,
        invoice=fact.invoice or known.invoice,
        topics=topics,
        instrument=topics[-1] if fact.instrument else 0,
        purchase={
            key: tx.secret_topic("metadata", key, str(fact.metadata[key]))
            for key in distinct_metadata
            if fact.metadata.get(key) not in (None, "")
        },
        refunds=known.refunds,
        refunded_at=known.refunded_at,
        failed=known.failed,
        flagged=known.flagged,
        livemode=livemode,
    )


def following(fact: OfCharge, paid: Paid) -> Paid:
    """Return what is remembered of a charge once a fact about it is known."""
    if isinstance(fact, ChargeFailed):
        # A card's charge that failed never took money: only one that is known to have is worth remembering.
        return replace(paid, failed=paid.failed or fact.late or paid.taken > 0)
    if isinstance(fact, InvoicePayment):
        return replace(paid, invoice=fact.invoice)
    if isinstance(fact, ChargeRefunded):
        if not fact.full:
            return paid
        at = fact.at if paid.refunded_at is None else min(fact.at, paid.refunded_at)
        return replace(paid, refunded_at=at)
    if isinstance(fact, RefundMade) and fact.refund in paid.refunds:
        return paid
    refund = (0, 0) if isinstance(fact, RefundFailed) else (fact.amount, fact.at)
    return replace(paid, refunds={**paid.refunds, fact.refund: refund})


def refunded_at(paid: Paid) -> int | None:
    """When the charge was refunded in full: by the sum of its refunds, or by its own word if none has failed."""
    amounts = [amount for amount, _ in paid.refunds.values()]
    known = [] if paid.refunded_at is None or 0 in amounts else [paid.refunded_at]
    if amounts and sum(amounts) >= paid.taken:
        known.append(max(at for _, at in paid.refunds.values()))
    return min(known, default=None)


def differ(earlier: Paid, later: Paid) -> bool:
    """Tell whether two payment methods, or what the shop wrote on the charges, make them two purchases."""
    if earlier.instrument and later.instrument and earlier.instrument != later.instrument:
        return True
    return any(later.purchase.get(key, each) != each for key, each in earlier.purchase.items())


def payment_of(charge: tuple[str, Paid]) -> Payment:
    """Return the charge, a pair of its id and state, as a payment of an invoice."""
    key, paid = charge
    return Payment(paid.payment_intent or key, paid.created_at, paid.taken)
