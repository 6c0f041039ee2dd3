"""Coupons that hold forever, as far as an event shows them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from bw_exporter.facts import reading
from bw_exporter.facts.reading import Json

_WHOLE = 100


@dataclass(frozen=True, slots=True)
class Coupon:
    """What a coupon takes off every invoice: percent, or minor units by currency; of these products, or of all."""

    percent_off: Decimal | None
    amounts_off: tuple[tuple[str, int], ...]
    products: frozenset[str]


def forever(source: Json) -> tuple[Coupon, ...]:
    """Return the coupons of a subscription, or of an item, that hold forever.

    Stripe names discounts by their ids alone since API version 2025-09-30.clover, and did so before in `discounts`;
    what an event does not show is not known. `discount` is the first of them in older versions.
    """
    several = source.get("discounts")
    shown = [each for each in several if isinstance(each, dict)] if isinstance(several, list) else []
    if not shown and isinstance(source.get("discount"), dict):
        shown = [source["discount"]]
    coupons = [reading.expanded(each, "coupon") or _of_source(each) for each in shown]
    return tuple(_coupon(each) for each in coupons if reading.text(each, "duration") == "forever")


def _of_source(discount: Json) -> Json:
    """Since 2025-09-30.clover the coupon is in `source`."""
    return reading.expanded(reading.mapping(discount, "source"), "coupon")


def _coupon(coupon: Json) -> Coupon:
    amounts = {(reading.token(coupon, "currency") or "").lower(): reading.natural(coupon, "amount_off")}
    for currency, option in reading.mapping(coupon, "currency_options").items():
        if isinstance(option, dict):
            amounts[currency.lower()] = reading.natural(option, "amount_off")
    products = reading.mapping(coupon, "applies_to").get("products")
    return Coupon(
        _percent(coupon.get("percent_off")),
        tuple((currency, amount) for currency, amount in amounts.items() if amount),
        frozenset(each for each in products if isinstance(each, str))
        if isinstance(products, list)
        else frozenset(),
    )


def _percent(value: object) -> Decimal | None:
    """Return Stripe's number (33.3) exactly as it is written; None where it is no share of a price."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        percent = Decimal(str(value))
    except InvalidOperation:
        return None
    return percent if percent.is_finite() and 0 < percent <= _WHOLE else None
