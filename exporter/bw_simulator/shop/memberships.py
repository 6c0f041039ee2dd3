"""What Stripe sends in the life of a subscription: sign-up, renewal, dunning, upgrade, cancellation."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bw_simulator.shop import objects
from bw_simulator.shop.events import changed, event
from bw_simulator.shop.ids import Ids
from bw_simulator.shop.objects.subscriptions import MONTH_SECONDS
from bw_simulator.shop.sales import Buyer, payment, settlement
from bw_simulator.shop.shapes import Json, Shape

_DRAFT_SECONDS = 3600
"""A renewal's invoice stays a draft for about an hour before it is finalized."""

_RETRY_SECONDS = 3 * 86400


@dataclass(frozen=True, slots=True)
class Membership:
    """A buyer's subscription as the shop last knew it, when it was last billed, and the bill still unpaid."""

    buyer: Buyer
    subscription: Json
    shape: Shape
    billed_at: int
    unpaid: Json | None = None

    @property
    def item(self) -> Json:
        """The subscription's only item."""
        item: Json = self.subscription["items"]["data"][0]
        return item


def membership(
    ids: Ids, *, buyer: Buyer, price: Json, started_at: int, quantity: int = 1, shape: Shape = "new"
) -> Membership:
    """Return a membership of one price that began at `started_at`, without any event."""
    item = objects.subscription_item(ids, price=price, created_at=started_at, quantity=quantity)
    subscription = objects.subscription(
        ids,
        created_at=started_at,
        items=[item],
        customer=buyer.customer,
        currency=price["currency"],
        shape=shape,
    )
    return Membership(buyer, subscription, shape, billed_at=started_at)


def bill(
    ids: Ids, now: int, member: Membership, *, reason: str, created_at: int, amount: int | None = None
) -> Json:
    """Return the open invoice of a period that begins `now`; `amount` overrides what the price asks for."""
    line = objects.subscription_line(
        ids,
        subscription=member.subscription["id"],
        item=member.item,
        period_start_at=now,
        amount=amount,
        shape=member.shape,
    )
    return objects.invoice(
        ids,
        created_at=created_at,
        finalized_at=now,
        lines=[line],
        subscription=member.subscription["id"],
        customer=member.buyer.customer,
        currency=member.item["price"]["currency"],
        billing_reason=reason,
        shape=member.shape,
    )


def sign_up(ids: Ids, now: int, member: Membership, *, amount: int | None = None) -> tuple[Json, list[Json]]:
    """Return the first charge of a membership that starts `now`, and all that Stripe sends about it.

    `amount` is what is billed instead of what the subscription says.
    """
    invoice = bill(ids, now, member, reason="subscription_create", created_at=now, amount=amount)
    charge, paid = _collected(ids, now, member, invoice, attempts=1)
    return charge, [_told(ids, now, member, "created"), *paid]


def renewal(ids: Ids, now: int, member: Membership) -> tuple[Json, Membership, list[Json]]:
    """Return the charge, the membership one month on, and the events of a renewal that went well."""
    after, told = _next_period(ids, now, member)
    invoice = bill(ids, now, after, reason="subscription_cycle", created_at=now - _DRAFT_SECONDS)
    charge, paid = _collected(ids, now, after, invoice, attempts=1)
    return charge, after, [told, *paid]


def failed_renewal(ids: Ids, now: int, member: Membership) -> tuple[Membership, list[Json]]:
    """Return a membership that is past due after its card was declined, and the events of that."""
    moved, told = _next_period(ids, now, member)
    invoice = bill(ids, now, moved, reason="subscription_cycle", created_at=now - _DRAFT_SECONDS)
    buyer, shape, currency = moved.buyer, moved.shape, invoice["currency"]
    intent_id = ids.new("pi")
    charge = objects.failed_charge(
        ids,
        created_at=now,
        amount=invoice["total"],
        currency=currency,
        customer=buyer.customer,
        fingerprint=buyer.fingerprint,
        payment_intent=intent_id,
        decline_reason="insufficient_funds",
        shape=shape,
    )
    intent = objects.failed_payment_intent(
        ids,
        id=intent_id,
        created_at=now,
        amount=invoice["total"],
        currency=currency,
        customer=buyer.customer,
        charge=charge["id"],
        decline_code="insufficient_funds",
        shape=shape,
    )
    unpaid = {
        **invoice,
        "attempt_count": 1,
        "attempted": True,
        "next_payment_attempt": now + _RETRY_SECONDS,
    }
    after = replace(_with_status(moved, "past_due"), unpaid=unpaid)
    return after, [
        told,
        event(ids, "invoice.finalized", invoice, created_at=now, shape=shape),
        event(ids, "charge.failed", charge, created_at=now, shape=shape),
        event(ids, "payment_intent.payment_failed", intent, created_at=now, shape=shape),
        event(ids, "invoice.payment_failed", unpaid, created_at=now, shape=shape),
        _told(ids, now, after, "updated", before=moved),
    ]


def recovery(ids: Ids, now: int, member: Membership) -> tuple[Json, Membership, list[Json]]:
    """Return the charge, the membership and the events of a past due bill that was paid at last."""
    if member.unpaid is None:
        raise ValueError(f"{member.subscription['id']} owes nothing")
    after = replace(_with_status(member, "active"), unpaid=None)
    charge, paid = _collected(ids, now, after, member.unpaid, attempts=2, finalized=False)
    return charge, after, [*paid, _told(ids, now, after, "updated", before=member)]


def price_change(ids: Ids, now: int, member: Membership, price: Json) -> tuple[Membership, list[Json]]:
    """Return the membership on another price, and the event; it is billed with the next renewal."""
    items = member.subscription["items"]
    item = objects.subscription_item(
        ids,
        price=price,
        created_at=member.item["created"],
        quantity=member.item["quantity"],
        id=member.item["id"],
    )
    subscription = {**member.subscription, "items": {**items, "data": [{**member.item, **item}]}}
    if member.shape == "old":
        subscription |= {"plan": item["plan"], "quantity": item["quantity"]}
    after = replace(member, subscription=subscription)
    return after, [_told(ids, now, after, "updated", before=member)]


def cancellation(ids: Ids, now: int, member: Membership) -> list[Json]:
    """Return the event of a customer who left."""
    ended = {"status": "canceled", "canceled_at": now, "ended_at": now}
    left = {"comment": None, "feedback": "too_expensive", "reason": "cancellation_requested"}
    after = replace(member, subscription={**member.subscription, **ended, "cancellation_details": left})
    return [_told(ids, now, after, "deleted")]


def _collected(
    ids: Ids, now: int, member: Membership, invoice: Json, *, attempts: int, finalized: bool = True
) -> tuple[Json, list[Json]]:
    """Return the charge that pays `invoice`, and the events from its finalization to its settlement."""
    shape = member.shape
    paid = payment(
        ids,
        now,
        buyer=member.buyer,
        amount=invoice["total"],
        currency=invoice["currency"],
        invoice=invoice["id"],
        shape=shape,
    )
    settled = {
        **invoice,
        "amount_paid": invoice["total"],
        "amount_remaining": 0,
        "attempt_count": attempts,
        "attempted": True,
        "next_payment_attempt": None,
        "status": "paid",
        "status_transitions": {**invoice["status_transitions"], "paid_at": now},
    }
    intent_id = paid.charge["payment_intent"]
    if shape == "old":
        settled |= {"paid": True, "charge": paid.charge["id"], "payment_intent": intent_id}
    opened = [event(ids, "invoice.finalized", invoice, created_at=now, shape=shape)] if finalized else []
    return paid.charge, [
        *opened,
        *paid.events,
        *settlement(ids, now, invoice=settled, payment_intent=intent_id, shape=shape),
    ]


def _next_period(ids: Ids, now: int, member: Membership) -> tuple[Membership, Json]:
    """Return the membership with the month that begins `now`, and the event of that."""
    period = {"current_period_start": now, "current_period_end": now + MONTH_SECONDS}
    if member.shape == "old":
        subscription = {**member.subscription, **period}
    else:
        items = member.subscription["items"]
        subscription = {
            **member.subscription,
            "items": {**items, "data": [{**item, **period} for item in items["data"]]},
        }
    after = replace(member, subscription=subscription, billed_at=now)
    return after, _told(ids, now, after, "updated", before=member)


def _with_status(member: Membership, status: str) -> Membership:
    return replace(member, subscription={**member.subscription, "status": status})


def _told(ids: Ids, now: int, member: Membership, what: str, *, before: Membership | None = None) -> Json:
    previous = changed(before.subscription, member.subscription) if before else None
    return event(
        ids,
        f"customer.subscription.{what}",
        member.subscription,
        created_at=now,
        previous_attributes=previous,
        shape=member.shape,
    )
