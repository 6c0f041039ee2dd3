"""What usually fails: the share of attempts, the most of the same hours, and waves of invoices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bw_exporter.config.durations import render as duration
from bw_rules.detectors.charge_failure_spike.counters import (
    ATTEMPTS,
    CHECKOUT_ATTEMPTS,
    CHECKOUT_FAILURES,
    FAILURES,
    INVOICED,
)
from bw_rules.detectors.charge_failure_spike.names import LONG, OF_INVOICES, SHORT, names_of, narrowed
from bw_rules.toolkit import habit
from bw_rules.toolkit.promql import DAY, HOUR, Counter, Recording, Scope, indented

if TYPE_CHECKING:
    from bw_rules.detectors.charge_failure_spike import Thresholds


def habits(t: Thresholds, scope: Scope) -> tuple[Recording, ...]:
    """Return the usual share of failures, the most of the same hours, and what usually fails on invoices."""
    names, past = names_of(t), t.weeks * habit.WEEK
    shares = (
        ("short", _share(CHECKOUT_FAILURES, CHECKOUT_ATTEMPTS, scope, past, 6 * HOUR)),
        ("long", _share(CHECKOUT_FAILURES, CHECKOUT_ATTEMPTS, scope, past, 3 * DAY)),
        ("invoices", _share(FAILURES, ATTEMPTS, scope, past, 6 * HOUR)),
    )
    of = [*((duration(w), 'of="short"') for w in SHORT), *((duration(w), 'of="long"') for w in LONG)]
    usual = [
        (window, f"sum by (tenant) ({habit.read(narrowed(scope, names.shares, which))})")
        for window, which in (*of, (OF_INVOICES, 'of="invoices"'))
    ]
    hours = [(duration(w), _same_hours(CHECKOUT_FAILURES, scope, w)) for w in (*SHORT, *LONG)]
    hours.append((OF_INVOICES, _same_hours(FAILURES, scope, 6 * HOUR)))
    six_hours = INVOICED.delta_name(6 * HOUR)
    before = INVOICED.delta(scope, past - 6 * HOUR, 6 * HOUR).expr
    return (
        Recording(names.shares, habit.told_apart("of", shares)),
        Recording(names.share, habit.told_apart("window", usual)),
        Recording(names.same_hours, habit.told_apart("window", hours)),
        Recording(names.peak, f"max_over_time({scope.recorded(six_hours)}[1d])"),
        Recording(
            names.most,
            f"max_over_time({scope.recorded(names.peak)}[{duration(past - DAY)}:1d] offset 6h)",
        ),
        Recording(names.daily, f"(\n{indented(before)}\n) / {past // DAY}"),
    )


def _share(failed: Counter, tried: Counter, scope: Scope, past: int, leave: int) -> str:
    """The share of attempts that usually fail, with 20 more of which one failed; the last `leave` seconds left out."""

    def over(base: int) -> str:
        some = failed.delta(scope, base - leave, leave, made_good=True).expr
        of = tried.delta(scope, base - leave, leave, made_good=True).expr
        return f"(1 + (\n{indented(some)}\n))\n/ on (tenant)\n(20 + (\n{indented(of)}\n))"

    either = f"{over(past)}\nor on (tenant)\n{over(habit.WEEK)}"
    return f"clamp(\n{indented(either)},\n  1 / 1000, 9 / 10\n)"


def _same_hours(failed: Counter, scope: Scope, window: int) -> str:
    """The most failures of the same hours one and two days (or windows) and a week ago; 0 where nothing is known."""
    step = max(DAY, window)
    parts = habit.told_apart(
        "ago",
        ((duration(ago), failed.delta(scope, window, ago).expr) for ago in (step, 2 * step, habit.WEEK)),
    )
    return f"max by (tenant) (\n{indented(parts)}\n)\nor on (tenant)\n0 * {scope.recorded(failed.max_name)}"
