"""Invoices and their payments, in the shapes from before and since 2025-03-31.basil."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from bw_exporter.facts import reading
from bw_exporter.facts.event import Event
from bw_exporter.facts.reader import Amounts, Reader
from bw_exporter.facts.reading import Json
from bw_exporter.metrics import catalog
from bw_exporter.metrics.money import currency_label

_BILLED_STATUSES = ("open", "paid", "uncollectible")
_INVOICE_PREFIX = "in_"
_CREDIT_NOTES = ("pre_payment_credit_notes_amount", "post_payment_credit_notes_amount")
_DISCOUNTS = ("discount", "discounts", "total_discount_amounts", "total_pretax_credit_amounts")


@dataclass(frozen=True, slots=True)
class InvoicePaid:
    """An invoice paid in full, with `amount` minor units paid on it so far."""

    invoice: str
    amount: int
    currency: str


@dataclass(frozen=True, slots=True)
class InvoicePaymentFailed:
    """A failed attempt to collect an invoice; `attempt` is different for each attempt."""

    invoice: str
    attempt: str


@dataclass(frozen=True, slots=True)
class InvoicePayment:
    """Which invoice a payment intent or a charge pays; `amount` minor units at `at`, where the event says so."""

    invoice: str
    payment_intent: str | None
    charge: str | None
    amount: int | None = None
    at: int | None = None


@dataclass(frozen=True, slots=True)
class InvoiceBilled:
    """What a finalised invoice asks for in all, and what was paid beyond it, in minor units, at `at`."""

    invoice: str
    amount_due: int
    overpaid: int
    at: int


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """One line, before discounts and exclusive tax; amounts in minor units."""

    id: str
    kind: Literal["subscription", "one_off"]
    proration: bool
    item: str | None
    amount: int | None
    subtotal: int | None
    currency: str
    quantity: int | None
    unit_amount: Decimal | None
    period_start_at: int | None
    period_end_at: int | None = None


@dataclass(frozen=True, slots=True)
class InvoiceSeen:
    """An invoice's snapshot as the mismatch check needs it; `event_at` is when the event was made.

    `revision` marks one that a person made of a finalised one, with other lines on purpose. `total` and `amount_due`
    are in minor units of `currency`, a label value. `credited`: a credit note was made for it. `discounted`: a coupon
    or a credit of another kind made it smaller.
    """

    invoice: str
    event: str
    event_at: int
    status: str | None
    subscription: str | None
    billing_reason: str | None
    created_at: int
    finalized_at: int
    test_clock: bool
    truncated: bool
    livemode: bool
    lines: tuple[InvoiceLine, ...]
    revision: bool = False
    total: int | None = None
    amount_due: int = 0
    currency: str = ""
    credited: bool = False
    discounted: bool = False


InvoiceFact = InvoicePaid | InvoicePaymentFailed | InvoicePayment | InvoiceBilled | InvoiceSeen


def invoice_seen(event: Event) -> tuple[InvoiceFact, ...]:
    """Read any invoice event as a snapshot, with the payments it names."""
    invoice = event.object
    invoice_id = reading.own_id(invoice)
    created_at = reading.integer(invoice, "created")
    if created_at is None:
        # Its name in old API versions.
        created_at = reading.integer(invoice, "date")
    if created_at is None:
        created_at = event.created_at or 0
    finalized_at = reading.integer(reading.mapping(invoice, "status_transitions"), "finalized_at")
    lines = invoice.get("lines")
    seen = InvoiceSeen(
        invoice=invoice_id,
        event=event.id,
        event_at=event.created_at or 0,
        status=reading.token(invoice, "status"),
        subscription=_subscription(invoice),
        billing_reason=reading.token(invoice, "billing_reason"),
        created_at=created_at,
        finalized_at=created_at if finalized_at is None else finalized_at,
        test_clock=reading.identifier(invoice, "test_clock") is not None,
        truncated=reading.boolean(lines, "has_more") is True if isinstance(lines, dict) else False,
        livemode=event.livemode is not False,
        lines=tuple(_line(line) for line in reading.listing(invoice, "lines")),
        revision=reading.text(reading.mapping(invoice, "from_invoice"), "action") == "revision",
        total=reading.integer(invoice, "total"),
        amount_due=reading.integer(invoice, "amount_due") or 0,
        currency=currency_label(reading.text(invoice, "currency")),
        credited=any(reading.integer(invoice, name) for name in _CREDIT_NOTES),
        discounted=any(invoice.get(name) for name in _DISCOUNTS),
    )
    return (seen, *_billed(invoice, seen), *_payments(invoice, invoice_id))


def invoice_paid(event: Event) -> tuple[InvoiceFact, ...]:
    """Read invoice.paid and its twin invoice.payment_succeeded, which come for one invoice or alone."""
    facts = invoice_seen(event)
    paid = InvoicePaid(
        invoice=reading.own_id(event.object),
        amount=reading.natural(event.object, "amount_paid") or 0,
        currency=currency_label(reading.text(event.object, "currency")),
    )
    return (paid, *facts) if reading.text(event.object, "status") in ("paid", None) else facts


def invoice_payment_failed(event: Event) -> tuple[InvoiceFact, ...]:
    """Read invoice.payment_failed: an attempt is its charge, or, where it names no charge, the event.

    attempt_count is no help: it stays as it is when a person tries again.
    """
    failed = InvoicePaymentFailed(
        invoice=reading.own_id(event.object), attempt=_failed_charge(event.object) or event.id
    )
    return (failed, *invoice_seen(event))


def invoice_payment(event: Event) -> tuple[InvoiceFact, ...]:
    """Read invoice_payment.paid, which links a payment intent to its invoice since basil."""
    invoice = reading.identifier(event.object, "invoice")
    return _invoice_payment(invoice, event.object, event.created_at) if invoice else ()


def payment_of_intent(intent: Json, amount: int, at: int | None) -> tuple[InvoicePayment, ...]:
    """Read the invoice that a payment intent pays.

    Before basil it stood in `invoice`. Since then `payment_details.order_reference` names it, where it is an
    invoice's id: in all 27 payment intents of subscriptions that were recorded with clover.
    """
    paid_by, invoice = reading.identifier(intent, "id"), reading.identifier(intent, "invoice")
    if invoice is None:
        reference = reading.token(reading.mapping(intent, "payment_details"), "order_reference")
        invoice = reference if reference and reference.startswith(_INVOICE_PREFIX) else None
    return (InvoicePayment(invoice, paid_by, None, amount, at),) if invoice and paid_by else ()


def _subscription(invoice: Json) -> str | None:
    parent = reading.mapping(invoice, "parent")
    if reading.text(parent, "type") == "subscription_details":
        current = reading.identifier(reading.mapping(parent, "subscription_details"), "subscription")
        if current:
            return current
    return reading.identifier(invoice, "subscription")


def _billed(invoice: Json, seen: InvoiceSeen) -> tuple[InvoiceBilled, ...]:
    due = reading.integer(invoice, "amount_due")
    if due is None or due <= 0 or seen.status not in _BILLED_STATUSES:
        return ()
    paid = reading.natural(invoice, "amount_paid") or 0
    overpaid = max(reading.integer(invoice, "amount_overpaid") or 0, paid - due, 0)
    return (InvoiceBilled(seen.invoice, due, overpaid, seen.event_at),)


def _payments(invoice: Json, invoice_id: str) -> tuple[InvoicePayment, ...]:
    links = list(_link(invoice_id, invoice, None, None))
    for payment in reading.listing(invoice, "payments"):
        links += _invoice_payment(invoice_id, payment, None)
    return tuple(links)


def _invoice_payment(invoice_id: str, payment: Json, at: int | None) -> tuple[InvoicePayment, ...]:
    """Read an invoice payment; one that is not paid yet, or was canceled, is a link and no money."""
    paid = reading.text(payment, "status") in ("paid", None)
    amount = reading.natural(payment, "amount_paid") if paid else None
    paid_at = reading.integer(reading.mapping(payment, "status_transitions"), "paid_at")
    if paid_at is None:
        paid_at = reading.integer(payment, "created")
    return _link(invoice_id, reading.mapping(payment, "payment"), amount, at if paid_at is None else paid_at)


def _link(invoice_id: str, source: Json, amount: int | None, at: int | None) -> tuple[InvoicePayment, ...]:
    intent, charge = reading.identifier(source, "payment_intent"), reading.identifier(source, "charge")
    return (InvoicePayment(invoice_id, intent, charge, amount, at),) if intent or charge else ()


def _failed_charge(invoice: Json) -> str | None:
    """The charge of the attempt that failed: on the invoice before basil, or on its payment intent if expanded."""
    payments = (reading.mapping(each, "payment") for each in reading.listing(invoice, "payments"))
    for source in (invoice, *payments):
        if charge := reading.identifier(source, "charge"):
            return charge
        intent = reading.expanded(source, "payment_intent")
        error = reading.mapping(intent, "last_payment_error")
        if charge := reading.identifier(error, "charge") or reading.identifier(intent, "latest_charge"):
            return charge
    return None


def _line(line: Json) -> InvoiceLine:
    parent = reading.mapping(line, "parent")
    kind = reading.text(parent, "type") or reading.text(line, "type")
    details = reading.mapping(parent, kind or "")
    one_off = kind in ("invoiceitem", "invoice_item_details")
    period = reading.mapping(line, "period")
    unit_amount = reading.decimal(reading.mapping(line, "pricing"), "unit_amount_decimal")
    if unit_amount is None:
        unit_amount = reading.decimal(reading.expanded(line, "price"), "unit_amount_decimal")
    return InvoiceLine(
        id=reading.identifier(line, "id") or "",
        kind="one_off" if one_off else "subscription",
        proration=bool(reading.boolean(details, "proration") or reading.boolean(line, "proration")),
        item=reading.identifier(details, "subscription_item")
        or reading.identifier(line, "subscription_item"),
        amount=reading.integer(line, "amount"),
        subtotal=reading.integer(line, "subtotal"),
        currency=(reading.token(line, "currency") or "").lower(),
        quantity=reading.integer(line, "quantity"),
        unit_amount=unit_amount,
        period_start_at=reading.integer(period, "start"),
        period_end_at=reading.integer(period, "end"),
    )


_CHECKED = (
    catalog.INVOICE_CHECKS,
    catalog.INVOICE_ABSTENTIONS,
    catalog.LAST_MISMATCH,
    catalog.FINDINGS,
    catalog.LAST_FINDING,
)
_PAID = (catalog.INVOICES_PAID, catalog.INVOICES_PAID_AMOUNT, catalog.REVENUE)
_DUPLICATES = (catalog.DUPLICATE_CHARGES,)

# Its state when it is finalized and when it is paid says all that the other snapshots say again.
_AGAIN = Reader(invoice_seen, _CHECKED, select=False)

READERS = {
    "invoice.created": Reader(invoice_seen, select=False),
    "invoice.finalized": Reader(invoice_seen, _CHECKED, explains=_DUPLICATES),
    "invoice.sent": _AGAIN,
    "invoice.updated": _AGAIN,
    "invoice.paid": Reader(invoice_paid, (*_PAID, *_CHECKED), explains=_DUPLICATES),
    "invoice.payment_succeeded": Reader(invoice_paid, (*_PAID, *_CHECKED), select=False),
    "invoice.payment_failed": Reader(invoice_payment_failed, (catalog.INVOICE_PAYMENT_FAILURES, *_CHECKED)),
    "invoice.payment_action_required": _AGAIN,
    "invoice.overdue": _AGAIN,
    "invoice.overpaid": _AGAIN,
    "invoice.marked_uncollectible": _AGAIN,
    "invoice.voided": Reader(invoice_seen, explains=(catalog.INVOICE_CHECKS,)),
    "invoice_payment.paid": Reader(invoice_payment, explains=_DUPLICATES),
}
"""How each type of event of this kind of object is read."""

AMOUNTS = {
    "invoice": Amounts(
        natural=("amount_paid",),
        signed=("amount_due", "amount_overpaid", "amount_remaining", "subtotal", "total"),
    ),
    "invoice_payment": Amounts(natural=("amount_paid",)),
}
"""The amount fields of these objects: a credit makes a total negative."""
