"""A drop by thresholds alone: a percentage below the baseline's average."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from bw_exporter.config.durations import render as duration
from bw_exporter.metrics import catalog
from bw_rules.detectors.revenue_drop.counters import ON, REVENUE
from bw_rules.toolkit.cases import ALWAYS, DAY, HOUR, Case, Outcome, Series, Steps
from bw_rules.toolkit.detector import MONEY, Method, first_of
from bw_rules.toolkit.promql import Recording, Scope, indented, scaled, times

if TYPE_CHECKING:
    from bw_rules.detectors.revenue_drop import Thresholds


_WEEK = 7 * DAY
_ON = ON


def recordings(t: Thresholds, scope: Scope) -> tuple[Recording, ...]:
    """Revenue of the window, and of the baseline before it or of the same weekdays in it."""
    return (
        REVENUE.recording(scope),
        REVENUE.lost(scope),
        REVENUE.delta(scope, t.window, made_good=True),
        *(REVENUE.delta(scope, length, offset) for length, offset in _pasts(t)),
    )


def condition(t: Thresholds, scope: Scope) -> str:
    """Revenue fell, and the currency usually brings in enough.

    What a restored store lost is made good in the window; below 0 the loss is unknown, and so is the revenue.
    """
    revenue = REVENUE.delta_name(t.window)
    level = (100 - Fraction(t.drop_pct)) / 100 * _share(t)
    drop = scaled(scope.beside.recorded(revenue), "<=", level, _past(t, scope), _ON)
    return (
        f"{scope.recorded(revenue)} >= 0\n"
        f"and on ({_ON}) (\n{indented(drop)}\n)\n"
        f"and on ({_ON}) (\n{indented(_enough(t, scope))}\n)"
    )


def threshold(t: Thresholds, scope: Scope) -> Recording:
    """Minor units at or below which revenue has dropped, for currencies that usually bring in enough."""
    level = (100 - Fraction(t.drop_pct)) / 100 * _share(t)
    expr = (
        f"{times(level.numerator, _past(t, scope))} / {level.denominator}\n"
        f"and on ({_ON}) (\n{indented(_enough(t, scope))}\n)"
    )
    return Recording(REVENUE.threshold_name(t.window), scope.narrowed(expr, REVENUE.max_name))


def description(t: Thresholds) -> str:
    """Revenue now and usually, in whole units."""
    units = "max(billing_currency_minor_units{currency='%s'})"
    of = "{tenant='%s',currency='%s'}"
    now = first_of(
        f"{REVENUE.delta_name(t.window)}{of} / scalar({units})",
        "tenant",
        "currency",
        "currency",
        form="printf $money",
    )
    past = " + ".join(f"{REVENUE.delta_name(*part)}{of}" for part in _pasts(t))
    usual = first_of(
        f"({past}) / scalar({units}) * {_share(t).numerator} / {_share(t).denominator}",
        *["tenant", "currency"] * len(_pasts(t)),
        "currency",
        form="printf $money",
    )
    against = "on the same weekday" if t.compare == "weekday" else "on average"
    return (
        f"{MONEY}{now} {{{{ $labels.currency }}}} within {duration(t.window)}, against {usual} {against} "
        f"in the {duration(t.baseline)} before. Fires when revenue is at most {100 - t.drop_pct} % of usual."
    )


def cases(t: Thresholds) -> tuple[Case, ...]:
    """Exactly the drop and one unit less of it, too little money, unknown pasts, one currency of two."""
    small = Fraction(t.min_daily_revenue) * 100 * t.window / DAY
    # Twice the least, and not much more: with the baseline's windows it has to stay within what a float holds exactly.
    usual = 2 * -(-small.numerator // small.denominator) + 1000
    inside = t.window // 2
    share = (100 - Fraction(t.drop_pct)) / 100

    def earning(now: int, per_window: int = usual) -> Steps:
        """Money in the middle of each window that is compared; for rolling, all of it in one place."""
        total = 0
        rises = []
        for length, offset in sorted(_pasts(t), key=lambda part: -part[1]):
            windows = length if t.compare == "rolling" else t.window
            total += per_window * windows // t.window
            rises.append((offset + length // 2, total))
        return ((ALWAYS, 0), *rises, (inside, total + now))

    def revenue(name: str, outcome: Outcome, usd: Steps, eur: Steps = ()) -> Case:
        series = [Series(catalog.REVENUE.name, usd, 'currency="usd"')]
        if eur:
            series.append(Series(catalog.REVENUE.name, eur, 'currency="eur"'))
        return Case(name, outcome, tuple(series))

    exactly = int(usual * share)
    healthy = earning(usual)
    rounding = 0 if (usual * share).denominator == 1 else 1
    return (
        revenue("exactly the drop that is allowed", "fires", earning(exactly)),
        revenue("one minor unit more than that", "quiet", earning(exactly + 1 + rounding)),
        revenue("no revenue at all", "fires", earning(0)),
        revenue("the second currency alone", "fires", healthy, earning(0)),
        revenue("as usual", "quiet", healthy),
        revenue("a currency that never brings in enough", "quiet", earning(0, max(int(small) - 1, 0))),
        revenue(
            "a currency that brings in just enough",
            "fires",
            earning(0, -(-small.numerator // small.denominator)),
        ),
        revenue("an old shop whose past nobody knows", "quiet", ((t.window + HOUR, usual),)),
        *_restored(t, earning(0)[:-1], usual, exactly),
        revenue(
            "scrapes missing at the start of the window",
            "fires",
            (
                *earning(0)[:-1],
                (t.window + HOUR // 3, None),
                (t.window - min(HOUR // 3, t.window // 3), earning(0)[-1][1]),
            ),
        ),
    )


def _restored(t: Thresholds, past: Steps, usual: int, fallen: int) -> list[Case]:
    """What an older store lacks is no drop; for windows in which a loss can be told from a replica's lag."""
    total, inside = past[-1][1] or 0, t.window // 2

    def restored(name: str, outcome: Outcome, *rises: tuple[int, int | None]) -> Case:
        return Case(name, outcome, (Series(catalog.REVENUE.name, (*past, *rises), 'currency="usd"'),))

    earned = (t.window * 3 // 4, total + 2 * usual)
    found = [
        restored("a store that knows nothing any more", "quiet", earned, (inside, 1)),
        restored("a store restored from a backup", "quiet", earned, (inside, total + fallen)),
        restored(
            "a drop beside a restored store",
            "fires",
            (t.window * 3 // 4, total + fallen),
            (inside, total),
        ),
    ]
    long_away = restored(
        "a store restored after half a day", "quiet", (t.window - HOUR, None), (t.window - 13 * HOUR, 1)
    )
    return (found if t.window >= HOUR else []) + ([long_away] if t.window >= DAY else [])


def _pasts(t: Thresholds) -> tuple[tuple[int, int], ...]:
    """(length, offset) of each part of the past that the window is compared with."""
    if t.compare == "rolling":
        return ((t.baseline, t.window),)
    return tuple((t.window, week * _WEEK) for week in range(1, t.baseline // _WEEK + 1))


def _past(t: Thresholds, scope: Scope) -> str:
    names = [scope.beside.recorded(REVENUE.delta_name(*part)) for part in _pasts(t)]
    return names[0] if len(names) == 1 else "(" + f" + on ({_ON}) ".join(names) + ")"


def _enough(t: Thresholds, scope: Scope) -> str:
    """The past is at least `min_daily_revenue` whole units a day."""
    least = Fraction(t.min_daily_revenue) * t.window / DAY / _share(t)
    units = f"max by (currency) ({scope.everyone.raw(catalog.CURRENCY_MINOR_UNITS.name)})"
    past = times(least.denominator, _past(t, scope))
    return f"{past} >= on (currency) group_left () ({times(least.numerator, units)})"


def _share(t: Thresholds) -> Fraction:
    """What part of the past one window is."""
    return Fraction(t.window, t.baseline) if t.compare == "rolling" else Fraction(1, len(_pasts(t)))


METHOD = Method(recordings, condition, threshold, description, lambda t: int(t.window + t.baseline), cases)
