"""What a subscription is worth a month, from its items, its discounts and its status: docs/mrr.md defines it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from bw_exporter.facts import coupons, reading
from bw_exporter.facts.coupons import Coupon
from bw_exporter.facts.reading import LARGEST_INTEGER, Json
from bw_exporter.metrics.labels import MRR_EXCLUSIONS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bw_exporter.facts.subscriptions import Item

_BILLED = ("active", "past_due")
_EARNED = (*_BILLED, "unpaid")
_PRICE_UNKNOWN = ("metered", "tiered", "unknown_price")


@dataclass(frozen=True, slots=True)
class Monthly:
    """What of a subscription counts in MRR, in whole minor units of its currency.

    `excluded` is why nothing counts, or why one of its items does not; empty where all does. `earned`: its price
    is or was paid, so what rises from 0 after this comes back.
    """

    currency: str = ""
    minor_units: int = 0
    excluded: str = ""
    earned: bool = False

    @property
    def price_unknown(self) -> bool:
        """Whether an event leaves out what it costs, or its price depends on use."""
        return self.excluded in _PRICE_UNKNOWN


def monthly(
    subscription: Json, items: tuple[Item, ...], *, status: str, paused: bool, whole: bool
) -> Monthly:
    """Return the monthly value of a subscription of these items; `whole`: they are all of its items.

    It is rounded once, half a minor unit up. Coupons that hold forever reduce it, as far as the event shows them.
    """
    own = (reading.token(subscription, "currency") or "").lower()
    currency = own or (items[0].currency if items else "")
    reasons = {_left_out(item, currency) for item in items}
    parts = [_Part.of(item) for item in items if not _left_out(item, currency)]
    for coupon in coupons.forever(subscription):
        _reduce(parts, coupon, currency)
    value = _rounded(sum((part.value for part in parts), Fraction(0)))
    if not whole or value > LARGEST_INTEGER:
        value, reasons = 0, {*reasons, "unknown_price"}
    reason = next((each for each in MRR_EXCLUSIONS if each in reasons), "")
    return _counted(currency, value, reason, status, paused=paused)


def remembered(per_month: str, *, status: str, paused: bool) -> Monthly:
    """Return the monthly value from "fraction currency": what was remembered of a price before MRR was counted."""
    amount, _, currency = per_month.partition(" ")
    value = _rounded(Fraction(amount)) if amount else 0
    if not amount or value > LARGEST_INTEGER:
        return _counted(currency, 0, "unknown_price", status, paused=paused)
    return _counted(currency, value, "", status, paused=paused)


def _counted(currency: str, value: int, reason: str, status: str, *, paused: bool) -> Monthly:
    """Return what counts of a value, by the subscription's status."""
    earned = value > 0 and status in _EARNED
    if status == "trialing":
        return Monthly(currency, excluded="trialing")
    if status == "paused" or (paused and status in _EARNED):
        return Monthly(currency, excluded="paused", earned=earned)
    if status not in _BILLED:
        return Monthly(currency, earned=earned)
    return Monthly(currency, value, reason, earned)


def _left_out(item: Item, currency: str) -> str:
    """Why an item does not count; empty where it does."""
    if item.trial:
        return "trialing"
    if item.metered:
        return "metered"
    if item.tiered:
        return "tiered"
    # A price of several currencies shows the amount of its first one alone.
    known = item.unit_amount is not None and item.quantity is not None and item.per_month is not None
    return "" if known and item.currency == currency else "unknown_price"


@dataclass(slots=True)
class _Part:
    """An item's value a month, reduced by one coupon after the other; `per_month`: how many invoices it is on."""

    value: Fraction
    per_month: Fraction
    product: str

    @classmethod
    def of(cls, item: Item) -> _Part:
        """Return the part of an item that is not left out."""
        per_month = Fraction(*(item.per_month or (0, 1)))
        value = Fraction(item.unit_amount or 0) * item.packages * per_month
        part = cls(value, per_month, item.product)
        for coupon in item.coupons:
            _reduce([part], coupon, item.currency)
        return part


def _reduce(parts: Iterable[_Part], coupon: Coupon, currency: str) -> None:
    """Take a coupon off the parts that it applies to."""
    reduced = [part for part in parts if not coupon.products or part.product in coupon.products]
    total = sum((part.value for part in reduced), Fraction(0))
    if total <= 0:
        return
    rest = total
    if coupon.percent_off is not None:
        rest = total * (100 - Fraction(coupon.percent_off)) / 100
    else:
        per_month = {part.per_month for part in reduced}
        # It is taken off each invoice: items of different intervals are on different ones.
        if len(per_month) == 1:
            rest = max(total - dict(coupon.amounts_off).get(currency, 0) * per_month.pop(), Fraction(0))
    for part in reduced:
        part.value *= rest / total


def _rounded(value: Fraction) -> int:
    """Return whole minor units, half of one up; never below 0."""
    return max((2 * value.numerator + value.denominator) // (2 * value.denominator), 0)
