"""A drop by evidence: fewer sales than chance explains, and as much less money, than in the same hours of the weeks.

The windows are told apart by a label, so that one rule records all of them.
"""

from __future__ import annotations

from fractions import Fraction
from math import sqrt
from typing import TYPE_CHECKING

from bw_exporter.config.durations import render as duration
from bw_exporter.metrics import catalog
from bw_rules.detectors.revenue_drop import share
from bw_rules.detectors.revenue_drop.counters import (
    ON,
    REVENUE,
    SALES,
    ahead_name,
    clock_name,
    suffix,
    usual_name,
)
from bw_rules.detectors.revenue_drop.evidence_cases import cases
from bw_rules.detectors.revenue_drop.share import PART
from bw_rules.toolkit import habit
from bw_rules.toolkit.bars import COLLAPSE, COLLAPSE_SALES, DROP_WINDOWS, of_revenue
from bw_rules.toolkit.detector import MONEY, Method, first_of
from bw_rules.toolkit.evidence import NATS_OF_TEN
from bw_rules.toolkit.promql import DAY, HOUR, Counter, Recording, Scope, indented, times

if TYPE_CHECKING:
    from bw_rules.detectors.revenue_drop import Thresholds

RECEIVED = f"tenant:{REVENUE.name}:delta"
SOLD = f"tenant:{SALES.name}:delta"
LEVEL = f"tenant:{REVENUE.name}:threshold"
_OF = "tenant, currency, window"
_ALONE = "1d of money"
"""The window in which money alone is looked at: a checkout that takes 1 instead of 100 has its usual sales."""


def _keep(t: Thresholds) -> str:
    return f"tenant:{SALES.name}:keep_{t.sensitivity}{suffix(t)}"


def recordings(t: Thresholds, scope: Scope) -> tuple[Recording, ...]:  # noqa: ARG001 - every method's signature
    """Return money and sales of each window; a restored store's loss is made good, and below 0 it is unknown."""

    def windows(counted: Counter) -> list[tuple[str, str]]:
        found = [(duration(w), w) for w in DROP_WINDOWS] + ([(_ALONE, DAY)] if counted is REVENUE else [])
        return [
            (name, f"(\n{indented(counted.delta(scope, w, made_good=True).expr)}\n) >= 0")
            for name, w in found
        ]

    return (
        REVENUE.recording(scope),
        SALES.recording(scope),
        REVENUE.lost(scope),
        SALES.lost(scope),
        Recording(RECEIVED, habit.told_apart("window", windows(REVENUE))),
        Recording(SOLD, _of_the_currency(scope, habit.told_apart("window", windows(SALES)))),
    )


def habits(t: Thresholds, scope: Scope) -> tuple[Recording, ...]:
    """Return usual money and sales of each window, each currency's part of the sales, and what chance may leave."""
    clock = clock_name(t)
    found = [Recording(clock, habit.clock_changed(scope, t.weeks)), *share.recordings(scope)]
    for counted in (REVENUE, SALES):
        ahead = ahead_name(counted, t)
        short = [(duration(w), _weeks(counted, t, scope, w, HOUR)) for w in DROP_WINDOWS if w < DAY]
        found.append(Recording(ahead, habit.told_apart("window", short)))
        long = [(duration(w), _weeks(counted, t, scope, w, 0)) for w in DROP_WINDOWS if w >= DAY]
        on = ", ".join((*counted.by, "window"))
        by_the_clock = habit.by_the_clock(scope.recorded(ahead), scope.recorded(clock), on)
        usual = f"{by_the_clock}\nor\n{habit.told_apart('window', long)}"
        if counted is SALES:
            usual = _of_the_currency(scope, usual)
        found.append(Recording(usual_name(counted, t), usual))
    due = {w: habit.read(_window(scope, usual_name(SALES, t), duration(w))) for w in DROP_WINDOWS}
    roots = (
        (duration(w), f"sqrt({2 * of_revenue(t.sensitivity, w):g} / ({sales} > 0))")
        for w, sales in due.items()
    )
    root = f"tenant:{SALES.name}:root_{t.sensitivity}{suffix(t)}"
    u = habit.read(scope.recorded(root))
    kept = f"1 - {u} * (1 - {u} * (0.166667 + {u} * (0.013889 + 0.010399 * {u})))"
    return (
        *found,
        Recording(root, habit.told_apart("window", roots)),
        Recording(_keep(t), f"clamp_min({kept}, 0) and {u} <= {sqrt(2):.6f}"),
    )


def _weeks(counted: Counter, t: Thresholds, scope: Scope, window: int, ahead: int) -> str:
    """The second lowest of the weeks; of more than a day the least, as a burst or an import stays in them for long."""

    def grew(ago: int) -> str:
        return counted.delta(scope, window, ago - ahead).expr

    return habit.second_lowest(t.weeks, window, ", ".join(counted.by), grew, least=window > DAY)


def _of_the_currency(scope: Scope, sales: str) -> str:
    """Return PromQL for the sales of each currency: of its own charges, or its part of all."""
    part = habit.read(scope.recorded(PART))
    return f"sum by ({_OF}) (\n  (\n{indented(sales, 4)}\n  )\n  * on ({ON}, of) group_left () {part}\n)"


def _window(scope: Scope, name: str, window: str) -> str:
    matchers = [part for part in (scope.tenants, f'window="{window}"') if part]
    return f"{name}{{{','.join(matchers)}}}"


def _depth(t: Thresholds) -> Fraction:
    """What part of the usual revenue is a drop, however sure."""
    return (100 - Fraction(t.drop_pct)) / 100


def _kept(t: Thresholds, scope: Scope) -> str:
    """The part of what is usual at or below which there is evidence of a drop."""
    return f"clamp_max({habit.read(scope.recorded(_keep(t)))}, {_depth(t)})"


def threshold(t: Thresholds, scope: Scope) -> Recording:
    """Return minor units at or below which revenue of each window has dropped, of currencies that bring in enough."""
    beside = scope.beside
    usual = habit.read(beside.recorded(usual_name(REVENUE, t)))
    day = habit.read(_window(beside, usual_name(REVENUE, t), "1d"))
    sales = habit.read(_window(beside, usual_name(SALES, t), "1d"))
    alone = f"{COLLAPSE} * {day} and on ({ON}) ({sales} >= {COLLAPSE_SALES})"
    week = habit.read(_window(beside, usual_name(REVENUE, t), "7d"))
    units = f"max by (currency) ({scope.everyone.raw(catalog.CURRENCY_MINOR_UNITS.name)})"
    least = times(t.min_daily_revenue, units)
    level = (
        f"(\n  ({usual} > 0) * on ({_OF}) {_kept(t, beside)}\n"
        f'  or\n  label_replace({alone}, "window", "{_ALONE}", "", "")\n)\n'
        f"and on ({ON}) (\n"
        f"  ({week} / 7 or on ({ON}) {day}) >= on (currency) group_left () ({least})\n)"
    )
    return Recording(LEVEL, scope.narrowed(level, REVENUE.max_name))


def condition(t: Thresholds, scope: Scope) -> str:
    """Return PromQL for: money at or below its level, and sales too where those of the currency are known."""
    beside = scope.beside
    level = f"min by ({_OF}) ({habit.read(beside.recorded(LEVEL))})"
    usual = habit.read(beside.recorded(usual_name(SALES, t)))
    part = habit.read(beside.recorded(PART))
    sold = f"{beside.recorded(SOLD)} <= on ({_OF}) {usual} * on ({_OF}) {_kept(t, beside)}"
    return (
        f"min by ({ON}) (\n"
        f"  {scope.recorded(RECEIVED)} <= on ({_OF}) {level}\n"
        f"  and on ({_OF}) (\n"
        f"    {sold}\n"
        f"    or on ({_OF}) ({beside.recorded(RECEIVED)} and on ({ON}) ({part} < 1))\n"
        f"    or on ({_OF}) {_window(beside, RECEIVED, _ALONE)}\n"
        "  )\n)"
    )


def description(t: Thresholds) -> str:
    """Return revenue and sales now and usually, in whole units, and how rare that is by chance."""
    of = "{tenant='%s',currency='%s',window='%s'}"
    labels = ("tenant", "currency", "$window")
    units = "max(billing_currency_minor_units{currency='%s'})"
    fallen = (
        f"topk(1, 1 - {RECEIVED}{{tenant='%s',currency='%s'}}"
        f" / on ({_OF}) (last_over_time({LEVEL}{{tenant='%s',currency='%s'}}[16m]) + 1))"
    )

    def money(query: str) -> str:
        return first_of(f"{query} / scalar({units})", *labels, "currency", form="printf $money")

    received = f"{usual_name(REVENUE, t)}{of}"
    sold, due = f"{SOLD}{of}", f"last_over_time({usual_name(SALES, t)}{of}[16m])"
    sales = first_of(sold, *labels)
    usual = first_of(due, *labels)
    chance = f"{due} - {sold} + {sold} * ln(clamp_min({sold}, 0.1) / {due})"
    named = "$labels.tenant $labels.currency $labels.tenant $labels.currency"
    once = first_of(f"10 ^ floor(({chance}) / {NATS_OF_TEN})", *labels * 5)
    return (
        f'{MONEY}{{{{ with printf "{fallen}" {named} | query }}}}'
        "{{ $window := (first .).Labels.window }}"
        f"{money(RECEIVED + of)} {{{{ $labels.currency }}}} within {{{{ $window }}}}, against "
        f"{money(f'last_over_time({received}[16m])')} usually at this time of the week; {sales} sales, "
        f"usually {usual}. By chance: less than once in {once} times {{{{ $window }}}}. "
        f"Fires when revenue is at most {100 - t.drop_pct} % of usual and chance does not explain it.{{{{ end }}}}"
    )


METHOD = Method(
    recordings, condition, threshold, description, lambda t: habit.reach(t.weeks), cases, habits=habits
)
