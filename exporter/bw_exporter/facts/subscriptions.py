"""Subscriptions and the prices of their items."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from bw_exporter.facts import reading
from bw_exporter.facts.event import Event
from bw_exporter.facts.reading import Json
from bw_exporter.metrics.labels import SUBSCRIPTION_STATUSES, listed

ENDED_STATUSES = ("canceled", "incomplete_expired")

_RANKS = {"created": 0, "updated": 2, "deleted": 3}
_OTHER_RANK = 1


@dataclass(frozen=True, slots=True)
class Item:
    """One subscription item and its price; `interval` in months where it is a whole number of months or years.

    `divide_by` and `round_up` are the price's transform_quantity.
    """

    id: str
    currency: str
    unit_amount: Decimal | None
    quantity: int | None
    metered: bool
    tiered: bool
    trial: bool
    divide_by: int | None
    round_up: bool
    per_month: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class SubscriptionSeen:
    """A subscription's snapshot.

    `order` sorts the snapshots of one subscription: by event.created, then within one second deleted after
    updated after others after created (Stripe promises no order, and seconds tie). `was_…` are the values
    that the event says it replaced, None where it says nothing of them; `tells` whether it says of anything
    that it was replaced: then whatever it leaves out stayed.
    """

    subscription: str
    event: str
    order: tuple[int, int]
    first: bool
    ended: bool
    status: str
    cancel_at_period_end: bool
    tells: bool
    was_status: str | None
    was_cancel_at_period_end: bool | None
    was_items: tuple[Item, ...] | None
    trial_end_at: int | None
    test_clock: bool
    items: tuple[Item, ...]
    pending_items: tuple[Item, ...]
    items_truncated: bool


def subscription_seen(event: Event) -> tuple[SubscriptionSeen, ...]:
    """Read any customer.subscription event."""
    subscription, stage = event.object, event.type.removeprefix("customer.subscription.")
    pending = reading.mapping(subscription, "pending_update")
    was_status = reading.text(event.previous, "status")
    items = subscription.get("items")
    return (
        SubscriptionSeen(
            subscription=reading.own_id(subscription),
            event=event.id,
            order=(event.created_at or 0, _RANKS.get(stage, _OTHER_RANK)),
            first=stage == "created",
            ended=stage == "deleted",
            status=listed(reading.text(subscription, "status"), SUBSCRIPTION_STATUSES),
            cancel_at_period_end=reading.boolean(subscription, "cancel_at_period_end") or False,
            tells=bool(event.previous),
            was_status=None if was_status is None else listed(was_status, SUBSCRIPTION_STATUSES),
            was_cancel_at_period_end=reading.boolean(event.previous, "cancel_at_period_end"),
            was_items=_was_items(event.previous),
            trial_end_at=reading.integer(subscription, "trial_end"),
            test_clock=reading.identifier(subscription, "test_clock") is not None,
            items=tuple(_item(item) for item in reading.listing(subscription, "items")),
            pending_items=tuple(_item(item) for item in reading.listing(pending, "subscription_items")),
            items_truncated=isinstance(items, dict) and reading.boolean(items, "has_more") is True,
        ),
    )


def _was_items(previous: Json) -> tuple[Item, ...] | None:
    """The items before a change of plan or quantity; empty where only the older names of the two tell of it."""
    if not any(previous.get(name) is not None for name in ("items", "plan", "quantity")):
        return None
    return tuple(_item(item) for item in reading.listing(previous, "items"))


def _item(item: Json) -> Item:
    price = reading.expanded(item, "price")
    if price:
        recurring, transform = (
            reading.mapping(price, "recurring"),
            reading.mapping(price, "transform_quantity"),
        )
        unit_amount = reading.decimal(price, "unit_amount_decimal")
        if unit_amount is None:
            unit_amount = reading.decimal(price, "unit_amount")
    else:
        # Items from before prices carry a plan, under other names.
        price = recurring = reading.expanded(item, "plan")
        transform = reading.mapping(price, "transform_usage")
        unit_amount = reading.decimal(price, "amount_decimal")
        if unit_amount is None:
            unit_amount = reading.decimal(price, "amount")
    return Item(
        id=reading.identifier(item, "id") or "",
        currency=(reading.token(price, "currency") or "").lower(),
        unit_amount=unit_amount,
        quantity=reading.integer(item, "quantity"),
        metered=reading.text(recurring, "usage_type") == "metered",
        tiered=reading.text(price, "billing_scheme") == "tiered",
        trial=bool(item.get("current_trial")),
        divide_by=reading.integer(transform, "divide_by"),
        round_up=reading.text(transform, "round") != "down",
        per_month=_per_month(recurring),
    )


_MONTHLY = {"month": (1, 1), "year": (1, 12), "week": (52, 12), "day": (365, 12)}


def _per_month(recurring: Json) -> tuple[int, int] | None:
    """How many billing intervals a month has, as a fraction: year 1/12, week 52/12, day 365/12."""
    interval = _MONTHLY.get(reading.text(recurring, "interval") or "")
    count = reading.integer(recurring, "interval_count")
    if interval is None or (count is not None and count < 1):
        return None
    return interval[0], interval[1] * (count or 1)


READERS = {
    f"customer.subscription.{stage}": subscription_seen
    for stage in (
        "created",
        "updated",
        "deleted",
        "paused",
        "resumed",
        "trial_will_end",
        "pending_update_applied",
        "pending_update_expired",
    )
}
"""Which reader turns which event type into facts."""
