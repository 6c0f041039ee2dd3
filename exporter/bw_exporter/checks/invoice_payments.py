"""Which payment intents pay which invoice, and whether an invoice that is paid in parts was paid beyond what is due.

Since 2025-05-28.basil an invoice may be paid in parts (docs.stripe.com/invoicing/partial-payments).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

from bw_exporter.checks.check import load, save
from bw_exporter.facts.invoices import InvoiceBilled, InvoicePayment
from bw_exporter.store.protocol import Transaction
from bw_exporter.store.retention import LEDGER_SECONDS

_INTENT, _BILL = "intent", "bill"


@dataclass(frozen=True, slots=True)
class Link:
    """Which invoice a payment intent pays."""

    invoice: str = ""


@dataclass(frozen=True, slots=True)
class Bill:
    """What an invoice asks for and what was paid, in minor units.

    `due` is None where no snapshot said it, the newest of them being of `due_at`; `overpaid` is what Stripe says
    was paid beyond it. `payments` holds when each was made and its amount, by payment intent or charge.
    """

    due: int | None = None
    due_at: int = 0
    overpaid: int = 0
    payments: dict[str, tuple[int, int]] = field(default_factory=dict)


class Payment(NamedTuple):
    """One payment: its payment intent or charge, when it was made, minor units."""

    key: str
    at: int
    amount: int


def bill(fact: InvoiceBilled, tx: Transaction, tenant: str, now: int) -> None:
    """Remember what an invoice asks for: its parts may be paid months later, and say nothing of it."""
    known = load(Bill, tx, tenant, _BILL, fact.invoice)
    newer = known.due is None or (fact.amount_due != known.due and fact.at >= known.due_at)
    if newer or fact.overpaid > known.overpaid:
        due, due_at = (fact.amount_due, fact.at) if newer else (known.due, known.due_at)
        billed = Bill(due, due_at, max(fact.overpaid, known.overpaid), known.payments)
        save(billed, tx, tenant, _BILL, fact.invoice, now + LEDGER_SECONDS)


def pay(fact: InvoicePayment, tx: Transaction, tenant: str, now: int, keep_until: int) -> None:
    """Remember which invoice a payment intent pays, until `keep_until`, and the payment where its amount is said."""
    if fact.payment_intent and invoice_of(tx, tenant, fact.payment_intent) != fact.invoice:
        save(Link(fact.invoice), tx, tenant, _INTENT, fact.payment_intent, keep_until)
    key = fact.payment_intent or fact.charge
    if key and fact.amount is not None:
        known = load(Bill, tx, tenant, _BILL, fact.invoice)
        if known.due is not None and fact.amount >= known.due and not known.payments:
            return  # all that is due at once is no part of it
        at, _ = known.payments.get(key, (fact.at or 0, 0))
        paid = replace(known, payments={**known.payments, key: (at, fact.amount)})
        if list(paid.payments[key]) != list(known.payments.get(key, ())):
            save(paid, tx, tenant, _BILL, fact.invoice, now + LEDGER_SECONDS)


def invoice_of(tx: Transaction, tenant: str, payment_intent: str) -> str:
    """Return the invoice that a payment intent pays, empty where none is known."""
    return load(Link, tx, tenant, _INTENT, payment_intent).invoice


def are_parts(tx: Transaction, tenant: str, invoice: str, first: Payment, second: Payment) -> bool:
    """Tell whether two payments of one invoice are parts of what is due: up to the later one, no more was paid.

    False where it is not known what is due.
    """
    known = load(Bill, tx, tenant, _BILL, invoice)
    if known.due is None:
        return False
    later = sum(
        amount
        for key, (at, amount) in known.payments.items()
        if key not in (first.key, second.key) and (at, key) > (second.at, second.key)
    )
    others = (amount for key, (_, amount) in known.payments.items() if key not in (first.key, second.key))
    paid = first.amount + second.amount + sum(others)
    if known.overpaid:
        paid = max(paid, known.due + known.overpaid)
    return paid - later <= known.due
