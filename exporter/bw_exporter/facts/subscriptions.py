"""Subscriptions and the prices of their items."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from bw_exporter.facts import coupons, reading
from bw_exporter.facts.coupons import Coupon
from bw_exporter.facts.event import Event
from bw_exporter.facts.monthly import Monthly, monthly
from bw_exporter.facts.reader import Amounts, Listed, Reader
from bw_exporter.facts.reading import Json
from bw_exporter.metrics import catalog
from bw_exporter.metrics.labels import SUBSCRIPTION_STATUSES, listed

ENDED_STATUSES = ("canceled", "incomplete_expired")

_RANKS = {"created": 0, "updated": 2, "deleted": 3}
_OTHER_RANK = 1


@dataclass(frozen=True, slots=True)
class Item:
    """One subscription item and its price per `interval_count` of `interval` (day, week, month, year or empty).

    `divide_by` and `round_up` are the price's transform_quantity. `coupons` are the item's own.
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
    interval: str
    interval_count: int
    product: str = ""
    coupons: tuple[Coupon, ...] = ()

    @property
    def packages(self) -> int:
        """How many times the unit amount is asked: the quantity, or how many packages it fills."""
        quantity = self.quantity or 0
        if not self.divide_by or self.divide_by < 1:
            return quantity
        return -(-quantity // self.divide_by) if self.round_up else quantity // self.divide_by

    @property
    def per_month(self) -> tuple[int, int] | None:
        """How many billing intervals a month has, as a fraction: year 1/12, week 52/12, day 365/12."""
        interval = _MONTHLY.get(self.interval)
        return None if interval is None else (interval[0], interval[1] * self.interval_count)


@dataclass(frozen=True, slots=True)
class SubscriptionSeen:
    """A subscription's snapshot.

    `order` sorts the snapshots of one subscription: by event.created, then within one second deleted after
    updated after others after created (Stripe promises no order, and seconds tie). `previous_…` are the values
    that the event says it replaced, None where it says nothing of them; `has_previous_attributes` whether it says of
    anything that it was replaced: then whatever it leaves out stayed. `cancel_scheduled`: it will end at a time
    that is known, its period's end or another one. `collection_paused`: pause_collection is set. `items_complete`:
    `items` are all of them. `begun_at` is when it was created. `listed`: Stripe's list showed it, and no event.
    """

    subscription: str
    event: str
    order: tuple[int, int]
    first: bool
    ended: bool
    status: str
    cancel_scheduled: bool
    collection_paused: bool
    has_previous_attributes: bool
    previous_status: str | None
    previous_cancel_scheduled: bool | None
    previous_collection_paused: bool | None
    previous_items: tuple[Item, ...] | None
    trial_end_at: int | None
    test_clock: bool
    items: tuple[Item, ...]
    pending_items: tuple[Item, ...]
    items_complete: bool
    begun_at: int | None
    monthly: Monthly
    previous_monthly: Monthly | None
    listed: bool = False


def subscription_seen(event: Event) -> tuple[SubscriptionSeen, ...]:
    """Read any customer.subscription event."""
    subscription, stage = event.object, event.type.removeprefix("customer.subscription.")
    pending = reading.mapping(subscription, "pending_update")
    previous_status = reading.text(event.previous, "status")
    items = tuple(_item(item) for item in reading.listing(subscription, "items"))
    previous_items = _previous_items(event.previous)
    return (
        SubscriptionSeen(
            subscription=reading.own_id(subscription),
            event=event.id,
            order=(event.created_at or 0, _RANKS.get(stage, _OTHER_RANK)),
            first=stage == "created",
            ended=stage == "deleted",
            status=listed(reading.text(subscription, "status"), SUBSCRIPTION_STATUSES),
            cancel_scheduled=_cancel_scheduled(subscription),
            collection_paused=_collection_paused(subscription),
            has_previous_attributes=bool(event.previous),
            previous_status=(
                None if previous_status is None else listed(previous_status, SUBSCRIPTION_STATUSES)
            ),
            previous_cancel_scheduled=(
                _cancel_scheduled({**subscription, **event.previous})
                if "cancel_at" in event.previous or "cancel_at_period_end" in event.previous
                else None
            ),
            previous_collection_paused=(
                _collection_paused(event.previous) if "pause_collection" in event.previous else None
            ),
            previous_items=previous_items,
            trial_end_at=reading.integer(subscription, "trial_end"),
            test_clock=reading.identifier(subscription, "test_clock") is not None,
            items=items,
            pending_items=tuple(_item(item) for item in reading.listing(pending, "subscription_items")),
            items_complete=_complete(subscription),
            begun_at=reading.integer(subscription, "created"),
            listed=stage == "listed",
            monthly=Monthly() if stage == "deleted" else _monthly(subscription, items),
            previous_monthly=_previous_monthly(event, items, previous_items),
        ),
    )


def _complete(subscription: Json) -> bool:
    items = subscription.get("items")
    return reading.boolean(items, "has_more") is not True if isinstance(items, dict) else items is not None


def _monthly(subscription: Json, items: tuple[Item, ...]) -> Monthly:
    status = listed(reading.text(subscription, "status"), SUBSCRIPTION_STATUSES)
    paused, whole = _collection_paused(subscription), _complete(subscription)
    return monthly(subscription, items, status=status, paused=paused, whole=whole)


def _previous_monthly(
    event: Event, items: tuple[Item, ...], previous_items: tuple[Item, ...] | None
) -> Monthly | None:
    """Return the value that an update replaced; None where the event does not say all of it."""
    if not event.previous:
        return None
    before = {**event.object, **event.previous}
    if previous_items is None:
        return _monthly({**before, "items": event.object.get("items")}, items)
    if not previous_items or not all(_priced(item) for item in previous_items):
        return None
    return _monthly(before, previous_items)


def _priced(item: Item) -> bool:
    return item.tiered or item.metered or (item.unit_amount is not None and item.quantity is not None)


def _cancel_scheduled(subscription: Json) -> bool:
    """Flexible billing and schedules set `cancel_at` alone, others both."""
    at_period_end = reading.boolean(subscription, "cancel_at_period_end")
    return bool(at_period_end) or reading.integer(subscription, "cancel_at") is not None


def _collection_paused(subscription: Json) -> bool:
    """Whether collection is paused as the dashboard and the customer portal do it; the status stays as it is."""
    return bool(reading.mapping(subscription, "pause_collection"))


def _previous_items(previous: Json) -> tuple[Item, ...] | None:
    """Read the items before a change of plan or quantity; empty where only `plan` or `quantity` is named."""
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
    interval, interval_count = _interval(recurring)
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
        interval=interval,
        interval_count=interval_count,
        product=reading.identifier(price, "product") or "",
        coupons=coupons.forever(item),
    )


_MONTHLY = {"month": (1, 1), "year": (1, 12), "week": (52, 12), "day": (365, 12)}


def _interval(recurring: Json) -> tuple[str, int]:
    """The billing interval and how many of it; empty where it is none that is known."""
    interval, count = reading.text(recurring, "interval"), reading.integer(recurring, "interval_count")
    if interval not in _MONTHLY or (count is not None and count < 1):
        return "", 1
    return interval, count or 1


_STAGE = Reader(
    subscription_seen,
    (
        catalog.SUBSCRIPTIONS,
        catalog.SUBSCRIPTION_CHANGES,
        catalog.MRR,
        catalog.MRR_MOVEMENT,
        catalog.MRR_MOVEMENTS,
        catalog.MRR_EXCLUDED,
    ),
    explains=(catalog.INVOICE_CHECKS,),
)

READERS = {
    f"customer.subscription.{stage}": _STAGE
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
"""How each type of event of this kind of object is read."""

LISTED = {"subscriptions": Listed("customer.subscription.listed", subscription_seen)}

AMOUNTS: dict[str, Amounts] = {"customer.subscription": Amounts()}
"""A subscription has no amount of its own: its items' prices are decimals."""
