"""Cases of a drop by evidence: a tenant with a sale an hour, of which a day has 24.

Weeks are evaluated every six hours, which the windows of a day and more need no finer. Those of hours are told what is
usual, as the rules would have recorded it.
"""

from __future__ import annotations

from fractions import Fraction
from math import sqrt
from typing import TYPE_CHECKING

from bw_exporter.config.durations import render as duration
from bw_exporter.metrics import catalog
from bw_rules.detectors.revenue_drop.counters import REVENUE, SALES, ahead_name, clock_name, usual_name
from bw_rules.toolkit.bars import COLLAPSE, of_revenue
from bw_rules.toolkit.cases import ALWAYS, DAY, HOUR, Case, Outcome, Series, Steps

if TYPE_CHECKING:
    from bw_rules.detectors.revenue_drop import Thresholds

_A_DAY = 24
_WEEK = 7 * DAY
_STEP = 6 * HOUR


def kept(due: float, bar: float) -> float:
    """Return the part of the sales due that chance may leave; below 0 where too few are due."""
    u = sqrt(2 * bar / due)
    return max(1 - u * (1 - u * (0.166667 + u * (0.013889 + 0.010399 * u))), 0) if u <= sqrt(2) else -1


def cases(t: Thresholds) -> tuple[Case, ...]:
    """Return the most sales that are a drop and one more, money alone, other weeks, unknown pasts, lost counts."""
    price = max(1000, -(-t.min_daily_revenue * 100 // _A_DAY) + 1)
    depth = (100 - Fraction(t.drop_pct)) / 100
    most = int(min(kept(_A_DAY, of_revenue(t.sensitivity, DAY)), float(depth)) * _A_DAY)
    more = max(most, int(COLLAPSE * _A_DAY)) + 1
    collapsed = int(COLLAPSE * _A_DAY * price)

    def sold(
        name: str,
        outcome: Outcome,
        sales: int,
        money: int,
        *,
        off: tuple[int, int] = (0, 0),
        since: int = (t.weeks * 7 + 2) * DAY,
        each: int = price,
        lost: int = 0,
    ) -> Case:
        hours = [ago for ago in range(since, DAY, -HOUR) if not off[0] <= ago < off[1]]
        tried: Steps = tuple((ago, number) for number, ago in enumerate(hours, 1))
        earned: Steps = tuple((ago, each * number) for number, ago in enumerate(hours, 1))
        total = len(hours)
        always = ((ALWAYS, 0),) if since > 4 * DAY else ()
        last = (
            ((12 * HOUR, total + sales), (6 * HOUR, total + sales - lost))
            if lost
            else ((12 * HOUR, total + sales),)
        )
        cash = each * total + money
        paid = ((12 * HOUR, cash), (6 * HOUR, cash - lost * each)) if lost else ((12 * HOUR, cash),)
        series = (
            Series(catalog.CHARGE_ATTEMPTS.name, (*always, *tried, *last)),
            Series(catalog.CHARGE_FAILURES.name, (*always, (since, 0)), 'reason="other"'),
            Series(catalog.REVENUE.name, (*always, *earned, *paid), 'currency="usd"'),
        )
        return Case(name, outcome, series, every=_STEP)

    holiday = (_WEEK, _WEEK + 2 * DAY)
    return (
        sold("as few sales as are no chance", "fires", most, most * price),
        sold("a sale more, and more than a quarter of the money", "quiet", more, more * price),
        sold("no sale at all", "fires", 0, 0),
        sold("as few sales, with the usual money", "quiet", most, _A_DAY * price),
        sold("the usual sales, with a quarter of the money", "fires", _A_DAY, collapsed),
        sold(
            "the usual sales, with a little more than a quarter of the money",
            "quiet",
            _A_DAY,
            collapsed + price,
        ),
        sold("as usual", "quiet", _A_DAY, _A_DAY * price),
        *(
            [
                sold(
                    "as few sales, one of the weeks having had a holiday",
                    "fires",
                    most,
                    most * price,
                    off=holiday,
                )
            ]
            if t.weeks > 2  # noqa: PLR2004 - of two weeks the lower counts
            else []
        ),
        sold("an old tenant whose past nobody knows", "quiet", 0, 0, since=3 * DAY),
        sold(
            "a currency that never brings in enough",
            "quiet",
            0,
            0,
            each=max(t.min_daily_revenue * 100 // _A_DAY - 1, 0),
        ),
        sold("a store restored from a backup", "quiet", _A_DAY, _A_DAY * price, lost=_A_DAY),
        *_within(t, 2 * HOUR),
        *_within(t, 6 * HOUR),
        _seldom(t, "the few sales of a small tenant stopped six days ago", _stopped(t, 8 * HOUR), 6),
        _seldom(t, "the few sales of a small tenant stopped two days ago", "quiet", 2),
        _currencies(
            t, "the few sales of one of two currencies stopped", _stopped(t, 8 * HOUR), every=8 * HOUR
        ),
        _currencies(t, "a currency of a sale every other day had none for six", "quiet", every=48 * HOUR),
    )


def _within(t: Thresholds, window: int) -> tuple[Case, ...]:
    """As few sales within some hours as are no chance, and one more, where the usual is known an hour ahead.

    The hour to come is a quiet one. That matters only where the tenant's clock was changed, as its day may be that of
    an hour later then.
    """
    due, price, within = 60, max(1000, t.min_daily_revenue * 100 // 60 + 1), duration(window)
    left = kept(due, of_revenue(t.sensitivity, window))
    most = int(min(left, float(1 - Fraction(t.drop_pct) / 100)) * due)

    def sold(name: str, outcome: Outcome, sales: int, *more: Series) -> Case:
        ahead = [
            Series(
                ahead_name(counted, t),
                ((ALWAYS, number), (HOUR // 2, 0)),
                f'currency="usd",window="{within}"{of}',
            )
            for counted, number, of in ((SALES, due, ',of="attempts"'), (REVENUE, due * price, ""))
        ]
        steps: Steps = ((ALWAYS, 1000), (window, 1000), (HOUR // 2, 1000 + sales))
        series = (
            Series(catalog.CHARGE_ATTEMPTS.name, steps),
            Series(catalog.CHARGE_FAILURES.name, ((ALWAYS, 0),), 'reason="other"'),
            Series(catalog.REVENUE.name, _worth(steps, price), 'currency="usd"'),
            Series(usual_name(REVENUE, t), ((ALWAYS, due * price * 7),), 'currency="usd",window="7d"'),
            *ahead,
            *more,
        )
        return Case(f"{name} within {within}", outcome, series, every=HOUR)

    return (
        sold("as few sales as are no chance", "fires", most),
        sold("a sale more than is no chance", "quiet", most + 1),
        sold(
            "as few sales, the clock having been changed,",
            "quiet",
            most,
            Series(clock_name(t), ((ALWAYS, 3600),)),
        ),
    )


def _stopped(t: Thresholds, every: int) -> Outcome:
    """Whether sales that came so often and stopped six days ago are missed by the thresholds in force."""
    depth = 1 - float(t.drop_pct) / 100
    for window in (3 * DAY, 7 * DAY):
        due = window / every
        if t.weeks == 2:  # noqa: PLR2004 - one week is known, and a standard deviation less counts
            due -= sqrt(due)
        sold = max(window - 6 * DAY, 0) / every
        if sold <= due * min(kept(due, of_revenue(t.sensitivity, window)), depth):
            return "fires"
    return "quiet"


def _seldom(t: Thresholds, name: str, outcome: Outcome, days: int) -> Case:
    """A sale every eight hours until so many days ago; of the other currencies nothing was ever sold."""
    price = 8 * max(1000, -(-t.min_daily_revenue * 100 // _A_DAY) + 1)
    times = range((t.weeks * 7 + 2) * DAY, days * DAY, -8 * HOUR)
    sales: Steps = ((ALWAYS, 0), *((ago, number) for number, ago in enumerate(times, 1)))
    series = (
        Series(catalog.CHARGE_ATTEMPTS.name, sales),
        Series(catalog.CHARGE_FAILURES.name, ((ALWAYS, 0),), 'reason="other"'),
        Series(catalog.REVENUE.name, _worth(sales, price), 'currency="usd"'),
        Series(catalog.REVENUE.name, ((ALWAYS, 0),), 'currency="other"'),
    )
    return Case(name, outcome, series, every=_STEP)


def _currencies(t: Thresholds, name: str, outcome: Outcome, *, every: int) -> Case:
    """Two currencies whose charges are counted since long ago, of which one had its last sale six days ago."""
    price = max(1000, -(-t.min_daily_revenue * 100 // _A_DAY) + 1) * every // HOUR
    since = (t.weeks * 7 + 2) * DAY
    goes_on: Steps = ((ALWAYS, 0), *((ago, n) for n, ago in enumerate(range(since, 0, -HOUR), 1)))
    stopped: Steps = ((ALWAYS, 0), *((ago, n) for n, ago in enumerate(range(since, 6 * DAY, -every), 1)))
    series = [
        Series(catalog.CHARGE_ATTEMPTS.name, goes_on),
        Series(catalog.CHARGE_FAILURES.name, ((ALWAYS, 0),), 'reason="other"'),
        Series(
            catalog.FAMILY_BEGAN.name,
            ((ALWAYS, 40 * DAY),),
            f'family="{catalog.CHARGES.name}"',
            timestamps=True,
        ),
    ]
    for currency, sales in (("usd", goes_on), ("eur", stopped)):
        series.append(Series(catalog.CHARGES.name, sales, f'currency="{currency}"'))
        series.append(Series(catalog.REVENUE.name, _worth(sales, price), f'currency="{currency}"'))
    return Case(name, outcome, tuple(series), every=_STEP)


def _worth(sales: Steps, price: int) -> Steps:
    return tuple((ago, (number or 0) * price) for ago, number in sales)
