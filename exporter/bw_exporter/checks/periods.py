"""Billing periods and the intervals of prices: whether a line of an invoice covers one whole interval.

Stripe reckons in UTC: a month ends on the day of its number, or on the month's last one where that has none
(docs.stripe.com/billing/subscriptions/billing-cycle). Prorations are by the second.
"""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction

_SHORTEST_DAYS = {"day": 1, "week": 7, "month": 28, "year": 365}
_LONGEST_DAYS = {"day": 1, "week": 7, "month": 31, "year": 366}
_SLACK_SECONDS = 3600
_MOST_INTERVALS = 120
"""How many intervals one line is thought to cover: ten years of months."""


@dataclass(frozen=True, slots=True)
class Period:
    """What a line covers, in Unix seconds."""

    start_at: int
    end_at: int


@dataclass(frozen=True, slots=True)
class Interval:
    """A price's interval: `count` of `unit` (day, week, month or year)."""

    unit: str
    count: int


def is_shorter(period: Period, interval: Interval) -> bool:
    """Tell whether a period is shorter than every interval of this kind.

    >>> is_shorter(Period(0, 11 * 86400), Interval("month", 1))
    True
    """
    shortest = _SHORTEST_DAYS[interval.unit] * interval.count * 86400
    return period.end_at - period.start_at < shortest - _SLACK_SECONDS


def is_longer(period: Period, interval: Interval) -> bool:
    """Tell whether a period is longer than every interval of this kind.

    >>> is_longer(Period(0, 45 * 86400), Interval("month", 1))
    True
    """
    longest = _LONGEST_DAYS[interval.unit] * interval.count * 86400
    return period.end_at - period.start_at > longest + _SLACK_SECONDS


def shares(period: Period, interval: Interval) -> tuple[Fraction, ...]:
    """Return how many intervals a period covers: counted from its start, and from its end.

    >>> shares(Period(0, 30 * 86400), Interval("month", 1))  # from the 1st of January 1970 to the 31st
    (Fraction(30, 31), Fraction(30, 31))
    """
    try:
        return _counted(period, interval, 1), _counted(period, interval, -1)
    except (ValueError, OverflowError, OSError):
        return ()  # no time that a calendar has


def _counted(period: Period, interval: Interval, sign: int) -> Fraction:
    origin, goal = (period.start_at, period.end_at)[::sign]
    begun = datetime.fromtimestamp(origin, UTC)
    whole, reached = 0, origin
    while whole < _MOST_INTERVALS:
        following = int(_moved(begun, interval, sign * (whole + 1)).timestamp())
        if (following - goal) * sign > 0:
            return whole + Fraction(goal - reached, following - reached)
        whole, reached = whole + 1, following
    return Fraction(whole)


def _moved(at: datetime, interval: Interval, times: int) -> datetime:
    if interval.unit in ("day", "week"):
        return at + timedelta(days=_SHORTEST_DAYS[interval.unit] * interval.count * times)
    months = interval.count * times * (12 if interval.unit == "year" else 1)
    year, month = divmod(at.year * 12 + at.month - 1 + months, 12)
    return at.replace(year=year, month=month + 1, day=min(at.day, monthrange(year, month + 1)[1]))
