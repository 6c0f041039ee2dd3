"""What Stripe sends about a single purchase: paid, declined, not authenticated, or abandoned."""

from __future__ import annotations

from dataclasses import dataclass

from bw_simulator.shop import objects
from bw_simulator.shop.events import event
from bw_simulator.shop.ids import Ids
from bw_simulator.shop.shapes import Json, Shape


@dataclass(frozen=True, slots=True)
class Buyer:
    """Who pays: a customer, or a guest known by the card alone."""

    fingerprint: str
    customer: str | None = None


def new_buyer(ids: Ids, *, guest: bool = False) -> Buyer:
    """Return somebody who has not bought before."""
    return Buyer(ids.fingerprint(), None if guest else ids.new("cus"))


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment that succeeded: its charge, and the two events that tell of it."""

    charge: Json
    events: tuple[Json, Json]


def payment(
    ids: Ids,
    now: int,
    *,
    buyer: Buyer,
    amount: int,
    currency: str = "usd",
    invoice: str | None = None,
    shape: Shape = "new",
) -> Payment:
    """Return a payment made `now`; it says which invoice it settled only in the old shape."""
    intent_id = ids.new("pi")
    charge = objects.charge(
        ids,
        created_at=now,
        amount=amount,
        currency=currency,
        customer=buyer.customer,
        fingerprint=buyer.fingerprint,
        payment_intent=intent_id,
        invoice=invoice,
        shape=shape,
    )
    intent = objects.payment_intent(
        ids,
        id=intent_id,
        created_at=now,
        amount=amount,
        currency=currency,
        customer=buyer.customer,
        charge=charge["id"],
        invoice=invoice,
        shape=shape,
    )
    told = (
        event(ids, "charge.succeeded", charge, created_at=now, shape=shape),
        event(ids, "payment_intent.succeeded", intent, created_at=now, shape=shape),
    )
    return Payment(charge, told)


def one_off_sale(
    ids: Ids, now: int, *, buyer: Buyer, amount: int, currency: str = "usd", shape: Shape = "new"
) -> tuple[Json, list[Json]]:
    """Return the charge of a checkout with an invoice, and its events: five and more for one sale."""
    invoice_id = ids.new("in")
    paid = payment(ids, now, buyer=buyer, amount=amount, currency=currency, invoice=invoice_id, shape=shape)
    line = objects.one_off_line(
        ids, amount=amount, currency=currency, period_start_at=now, period_end_at=now, shape=shape
    )
    invoice = objects.invoice(
        ids,
        id=invoice_id,
        created_at=now,
        lines=[line],
        customer=buyer.customer,
        currency=currency,
        status="paid",
        billing_reason="manual",
        payment_intent=paid.charge["payment_intent"],
        charge=paid.charge["id"],
        shape=shape,
    )
    session = objects.checkout_session(
        ids,
        created_at=now,
        amount=amount,
        currency=currency,
        customer=buyer.customer,
        payment_intent=paid.charge["payment_intent"],
        invoice=invoice_id,
    )
    told = [
        *paid.events,
        *settlement(ids, now, invoice=invoice, payment_intent=paid.charge["payment_intent"], shape=shape),
        event(ids, "checkout.session.completed", session, created_at=now, shape=shape),
    ]
    return paid.charge, told


def settlement(ids: Ids, now: int, *, invoice: Json, payment_intent: str, shape: Shape = "new") -> list[Json]:
    """Return what Stripe sends about an invoice that was just paid; the link came with the new shape."""
    told = [
        event(ids, kind, invoice, created_at=now, shape=shape)
        for kind in ("invoice.paid", "invoice.payment_succeeded")
    ]
    if shape == "new":
        link = objects.invoice_payment(ids, invoice=invoice, payment_intent=payment_intent, created_at=now)
        told.append(event(ids, "invoice_payment.paid", link, created_at=now, shape=shape))
    return told


def decline(
    ids: Ids,
    now: int,
    *,
    buyer: Buyer,
    amount: int,
    currency: str = "usd",
    reason: str = "insufficient_funds",
    shape: Shape = "new",
) -> list[Json]:
    """Return the two events of a card declined by its issuer: one failure, seen twice."""
    intent_id = ids.new("pi")
    charge = objects.failed_charge(
        ids,
        created_at=now,
        amount=amount,
        currency=currency,
        customer=buyer.customer,
        fingerprint=buyer.fingerprint,
        payment_intent=intent_id,
        decline_reason=reason,
        shape=shape,
    )
    intent = objects.failed_payment_intent(
        ids,
        id=intent_id,
        created_at=now,
        amount=amount,
        currency=currency,
        customer=buyer.customer,
        charge=charge["id"],
        decline_code=reason,
        shape=shape,
    )
    return [
        event(ids, "charge.failed", charge, created_at=now, shape=shape),
        event(ids, "payment_intent.payment_failed", intent, created_at=now, shape=shape),
    ]


def authentication_failure(
    ids: Ids, now: int, *, buyer: Buyer, amount: int, currency: str = "usd", shape: Shape = "new"
) -> list[Json]:
    """Return the one event of a buyer who did not pass 3-D Secure; no charge was made."""
    intent = objects.failed_payment_intent(
        ids, created_at=now, amount=amount, currency=currency, customer=buyer.customer, shape=shape
    )
    return [event(ids, "payment_intent.payment_failed", intent, created_at=now, shape=shape)]


def abandoned_checkout(
    ids: Ids, now: int, *, amount: int, currency: str = "usd", shape: Shape = "new"
) -> list[Json]:
    """Return the one event of a checkout that nobody finished within a day."""
    session = objects.checkout_session(
        ids,
        created_at=now - 86400,
        amount=amount,
        currency=currency,
        status="expired",
        payment_status="unpaid",
    )
    return [event(ids, "checkout.session.expired", session, created_at=now, shape=shape)]
