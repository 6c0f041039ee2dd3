"""Prices, subscription items and subscriptions."""

from __future__ import annotations

from typing import Literal

from bw_simulator.shop.ids import Ids
from bw_simulator.shop.shapes import Json, Shape, listing

MONTH_SECONDS = 30 * 86400


def price(
    ids: Ids,
    *,
    unit_amount: int | None = 2000,
    currency: str = "usd",
    interval: Literal["day", "week", "month", "year"] = "month",
    usage_type: Literal["licensed", "metered"] = "licensed",
    billing_scheme: Literal["per_unit", "tiered"] = "per_unit",
    **fields: object,
) -> Json:
    """Return a recurring price of `unit_amount` per unit and interval."""
    built: Json = {
        "id": ids.new("price"),
        "object": "price",
        "active": True,
        "billing_scheme": billing_scheme,
        "currency": currency,
        "product": ids.new("prod"),
        "recurring": {"interval": interval, "interval_count": 1, "usage_type": usage_type},
        "transform_quantity": None,
        "type": "recurring",
        "unit_amount": unit_amount,
        "unit_amount_decimal": None if unit_amount is None else str(unit_amount),
    }
    return {**built, **fields}


def subscription_item(
    ids: Ids, *, price: Json, created_at: int, quantity: int | None = 1, **fields: object
) -> Json:
    """Return an item of a subscription: a price and how many units of it, with the legacy plan beside it."""
    built: Json = {
        "id": ids.new("si"),
        "object": "subscription_item",
        "created": created_at,
        "metadata": {},
        "plan": _plan(price),
        "price": price,
        "quantity": quantity,
    }
    return {**built, **fields}


def _plan(price: Json) -> Json:
    """Return the legacy view of a price, which Stripe still sends beside it."""
    return {
        "id": price["id"],
        "object": "plan",
        "active": price["active"],
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "billing_scheme": price["billing_scheme"],
        "currency": price["currency"],
        "interval": price["recurring"]["interval"],
        "interval_count": price["recurring"]["interval_count"],
        "product": price["product"],
        "transform_usage": price["transform_quantity"],
        "usage_type": price["recurring"]["usage_type"],
    }


def subscription(
    ids: Ids,
    *,
    created_at: int,
    items: list[Json],
    customer: str | None = None,
    currency: str = "usd",
    status: str = "active",
    period_start_at: int | None = None,
    period_end_at: int | None = None,
    trial_end_at: int | None = None,
    shape: Shape = "new",
    **fields: object,
) -> Json:
    """Return a subscription to `items`; its period is the 30 days from `period_start_at` (default: creation).

    The period stands on the subscription in the old shape and on each item in the new one. A trial lasts
    from creation to `trial_end_at`.
    """
    start_at = created_at if period_start_at is None else period_start_at
    period: Json = {
        "current_period_start": start_at,
        "current_period_end": start_at + MONTH_SECONDS if period_end_at is None else period_end_at,
    }
    subscription_id = str(fields.get("id") or ids.new("sub"))
    placed = [
        {**item, "subscription": subscription_id, **(period if shape == "new" else {})} for item in items
    ]
    built: Json = {
        "id": subscription_id,
        "object": "subscription",
        "cancel_at": None,
        "cancel_at_period_end": False,
        "canceled_at": None,
        "cancellation_details": {"comment": None, "feedback": None, "reason": None},
        "collection_method": "charge_automatically",
        "created": created_at,
        "currency": currency,
        "customer": customer or ids.new("cus"),
        "ended_at": None,
        "items": listing(placed),
        "livemode": True,
        "metadata": {},
        "pause_collection": None,
        "pending_update": None,
        "schedule": None,
        "start_date": created_at,
        "status": status,
        "test_clock": None,
        "trial_end": trial_end_at,
        "trial_start": None if trial_end_at is None else created_at,
    }
    if shape == "old":
        built |= period
        if len(placed) == 1:
            built |= {"plan": placed[0]["plan"], "quantity": placed[0]["quantity"]}
    return {**built, **fields}
