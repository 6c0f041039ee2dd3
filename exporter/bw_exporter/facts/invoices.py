"""Invoices and their payments, in the shapes from before and since 2025-03-31.basil."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from bw_exporter.facts import reading
from bw_exporter.facts.event import Event
from bw_exporter.facts.reading import Json
from bw_exporter.metrics.money import currency_label


@dataclass(frozen=True, slots=True)
class InvoicePaid:
    """An invoice paid in full, with `amount` minor units paid on it so far."""

    invoice: str
    amount: int
    currency: str


@dataclass(frozen=True, slots=True)
class InvoicePaymentFailed:
    """A failed attempt to collect an invoice; `attempt` tells the attempts of one invoice apart."""

    invoice: str
    attempt: str


@dataclass(frozen=True, slots=True)
class InvoicePayment:
    """Which invoice a payment intent or a charge pays."""

    invoice: str
    payment_intent: str | None
    charge: str | None


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


@dataclass(frozen=True, slots=True)
class InvoiceSeen:
    """An invoice's snapshot as the mismatch check needs it; `event_at` is when the event was made."""

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


InvoiceFact = InvoicePaid | InvoicePaymentFailed | InvoicePayment | InvoiceSeen


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
    )
    return (seen, *_payments(invoice, invoice_id))


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
    """Read invoice.payment_failed."""
    attempt = reading.integer(event.object, "attempt_count")
    failed = InvoicePaymentFailed(
        invoice=reading.own_id(event.object), attempt=event.id if attempt is None else str(attempt)
    )
    return (failed, *invoice_seen(event))


def invoice_payment(event: Event) -> tuple[InvoiceFact, ...]:
    """Read invoice_payment.paid, the only link from payment intent to invoice since basil."""
    invoice = reading.identifier(event.object, "invoice")
    return _payment(invoice, reading.mapping(event.object, "payment")) if invoice else ()


def _subscription(invoice: Json) -> str | None:
    parent = reading.mapping(invoice, "parent")
    if reading.text(parent, "type") == "subscription_details":
        current = reading.identifier(reading.mapping(parent, "subscription_details"), "subscription")
        if current:
            return current
    return reading.identifier(invoice, "subscription")


def _payments(invoice: Json, invoice_id: str) -> tuple[InvoicePayment, ...]:
    links = list(_payment(invoice_id, invoice))
    for payment in reading.listing(invoice, "payments"):
        links += _payment(invoice_id, reading.mapping(payment, "payment"))
    return tuple(links)


def _payment(invoice_id: str, source: Json) -> tuple[InvoicePayment, ...]:
    intent, charge = reading.identifier(source, "payment_intent"), reading.identifier(source, "charge")
    return (InvoicePayment(invoice_id, intent, charge),) if intent or charge else ()


def _line(line: Json) -> InvoiceLine:
    parent = reading.mapping(line, "parent")
    kind = reading.text(parent, "type") or reading.text(line, "type")
    details = reading.mapping(parent, kind or "")
    one_off = kind in ("invoiceitem", "invoice_item_details")
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
        period_start_at=reading.integer(reading.mapping(line, "period"), "start"),
    )


def invoice_of(intent: Json) -> tuple[InvoicePayment, ...]:
    """Read the invoice that a payment intent pays, which it named before basil."""
    invoice, paid_by = reading.identifier(intent, "invoice"), reading.identifier(intent, "id")
    return (InvoicePayment(invoice, paid_by, None),) if invoice and paid_by else ()


READERS = {
    "invoice.created": invoice_seen,
    "invoice.finalized": invoice_seen,
    "invoice.sent": invoice_seen,
    "invoice.updated": invoice_seen,
    "invoice.paid": invoice_paid,
    "invoice.payment_succeeded": invoice_paid,
    "invoice.payment_failed": invoice_payment_failed,
    "invoice.payment_action_required": invoice_seen,
    "invoice.overdue": invoice_seen,
    "invoice.overpaid": invoice_seen,
    "invoice.marked_uncollectible": invoice_seen,
    "invoice.voided": invoice_seen,
    "invoice_payment.paid": invoice_payment,
}
"""Which reader turns which event type into facts."""
