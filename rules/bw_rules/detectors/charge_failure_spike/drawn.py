"""The number of failures that would be a spike now, for dashboards."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from bw_exporter.config.durations import render as duration
from bw_rules.detectors.charge_failure_spike.counters import FAILURES
from bw_rules.detectors.charge_failure_spike.names import LEVEL, LONG, ON, TRIED, bars, names_of, narrowed
from bw_rules.toolkit import habit
from bw_rules.toolkit.bars import BARS
from bw_rules.toolkit.promql import Recording, Scope, indented

if TYPE_CHECKING:
    from collections.abc import Callable

    from bw_rules.detectors.charge_failure_spike import Thresholds


def drawn(t: Thresholds, scope: Scope) -> tuple[Recording, ...]:
    """Return the failures that have enough evidence at the present number of attempts, for dashboards alone.

    Newton's method on the evidence from Bernstein's bound, two steps. On a convex function they end at the number or
    just above it. What is left of the attempts stays above 0.
    """
    names = names_of(t)
    usual = habit.read(scope.recorded(names.share))
    hours = habit.read(scope.recorded(names.same_hours))
    found = [
        Recording(names.due, f"({scope.recorded(TRIED)} > 0) * on ({ON}) {usual}"),
        Recording(names.deviations, f"{hours} + 3 * sqrt({hours} + 1)"),
    ]
    tried, due = scope.recorded(TRIED), habit.read(scope.recorded(names.due))
    short, long = BARS["failures"][t.sensitivity]
    long_windows = "|".join(duration(w) for w in LONG)
    sides = (("!~", short), ("=~", long))

    def by_bar(one: Callable[[str, str, Fraction], str]) -> str:
        of = [(f'window{sign}"{long_windows}"', bar) for sign, bar in sides]
        return "\nor\n".join(one(narrowed(scope, TRIED, window), window, bar) for window, bar in of)

    def start(tried: str, window: str, bar: Fraction) -> str:
        due = habit.read(narrowed(scope, names.due, window))
        far = f"{due} + sqrt({2 * bar} * {due}) + {bar} / 3"
        return f"clamp_min({tried} - on ({ON}) ({far}), 1 / 10)"

    found.append(Recording(names.enough(t.sensitivity, "_start"), by_bar(start)))
    for before, now in (("_start", "_once"), ("_once", "")):
        left = habit.read(scope.recorded(names.enough(t.sensitivity, before)))
        if before == "_once":
            left = f"clamp_min({tried} - on ({ON}) {left}, 1 / 10)"
        ratio = f"ln({left} / on ({ON}) ({tried} - on ({ON}) {due}))"
        slope = f"(ln(({tried} - on ({ON}) {left}) / on ({ON}) {due}) - on ({ON}) {ratio})"

        def step(tried: str, window: str, bar: Fraction, ratio: str = ratio, slope: str = slope) -> str:
            del window
            return f"({bar} - {tried} * on ({ON}) {ratio})\n/ on ({ON})\n{slope}"

        found.append(Recording(names.enough(t.sensitivity, now), by_bar(step)))
    root = habit.read(scope.recorded(names.deviations))
    parts = habit.told_apart(
        "of",
        (
            ("evidence", habit.read(scope.recorded(names.enough(t.sensitivity)))),
            ("hours", f"{t.multiplier} * {hours} < on ({ON}) {root} or {root}"),
        ),
    )
    found.append(Recording(names.needed(t), f"max by ({ON}) (\n{indented(parts)}\n)"))
    return tuple(found)


def _levels(t: Thresholds, scope: Scope) -> str:
    """The number of failures with enough evidence, at least the least, the lift, and more than in the same hours."""
    needed = names_of(t).needed(t)
    return "\nor\n".join(
        f"clamp_min({habit.read(narrowed(scope.beside, needed, window))}, {least})"
        for window, least, _ in bars(t)
    )


def threshold(t: Thresholds, scope: Scope) -> Recording:
    """Return the number of failures in each window that would be a spike."""
    level = _levels(t, scope)
    return Recording(LEVEL, scope.narrowed(f"({level})", FAILURES.max_name))
