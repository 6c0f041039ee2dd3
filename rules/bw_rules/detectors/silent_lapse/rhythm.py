"""Silence by the tenant's own rhythm: longer than is usual at this hour of the week, and than chance explains.

Two things have to be exceeded: twice the longest silence that is usual near this hour, and the time in which so many
payments were due that it is no chance that none came.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from bw_exporter.config.durations import render as duration
from bw_exporter.metrics import catalog
from bw_rules.detectors.silent_lapse import by_stripe, signals
from bw_rules.detectors.silent_lapse.bounds import (
    FACTOR,
    FLOOR,
    SLACK,
    UNKNOWN,
    WINDOWS,
    YOUNG,
    bar,
    due_name,
    longest_name,
    suffix_of,
)
from bw_rules.detectors.silent_lapse.rhythm_cases import cases
from bw_rules.toolkit import habit
from bw_rules.toolkit.detector import Method, first_of
from bw_rules.toolkit.promql import DAY, HOUR, Recording, Scope, created, indented

if TYPE_CHECKING:
    from collections.abc import Callable

    from bw_rules.detectors.silent_lapse import Thresholds

CLOCK = "tenant:billing_silence_seconds:clock_changed"
EVIDENT = "tenant:billing_silence_seconds:evident"
GAP = "tenant:billing_charge_attempts:gap1w"
ALLOWED = "tenant:billing_silence_seconds:allowed"


def _attempts(scope: Scope, ago: int) -> str:
    raw = scope.raw(catalog.CHARGE_ATTEMPTS.name)
    return f"max by (tenant) (last_over_time({raw}[1h] offset {duration(ago)}))"


def _due(t: Thresholds, scope: Scope, window: int, ahead: int) -> str:
    def grew(ago: int) -> str:
        end = ago - ahead
        return f"{_attempts(scope, end)} - on (tenant) {_attempts(scope, end + window)}"

    return habit.second_lowest(t.weeks, window, "tenant", grew)


def _longest(t: Thresholds, scope: Scope) -> str:
    """The second longest of the weeks' longest silences from 2 h before to 1 h after: one outage is no habit."""

    def longest(ago: int) -> str:
        return f"max_over_time({scope.recorded(signals.SILENCE)}[3h] offset {duration(ago - HOUR)})"

    second = habit.over_weeks("2 / 3" if t.weeks > 2 else "1", "tenant", range(1, t.weeks + 1), longest)  # noqa: PLR2004 - of two weeks the longer
    return f"{second}\nand on (tenant) {longest(2 * habit.WEEK)}"


def habits(t: Thresholds, scope: Scope) -> tuple[Recording, ...]:
    """Return what is usual: payments due in each window, the longest silence near this hour, and what both allow."""
    suffix = suffix_of(t)

    def due(window: int, more: str = "") -> str:
        return due_name(window, t, more)

    within_a_day = [window for window in WINDOWS if window < DAY]
    return (
        Recording(f"{CLOCK}{suffix}", habit.clock_changed(scope, t.weeks)),
        *(Recording(due(window, "_ahead"), _due(t, scope, window, HOUR)) for window in within_a_day),
        *(
            Recording(
                due(window),
                habit.by_the_clock(
                    scope.recorded(due(window, "_ahead")), scope.recorded(f"{CLOCK}{suffix}"), "tenant"
                ),
            )
            for window in within_a_day
        ),
        *(Recording(due(window), _due(t, scope, window, 0)) for window in WINDOWS if window >= DAY),
        Recording(longest_name(t), _longest(t, scope)),
        Recording(
            f"{GAP}{suffix}",
            f"clamp_max(time() - {created(scope)}, {habit.WEEK})\n/ on (tenant)\n({_of_the_week(scope)} + 1)",
        ),
        Recording(f"{EVIDENT}{suffix}", _evident(lambda window: scope.recorded(due(window)))),
        Recording(f"{ALLOWED}{suffix}", _allowed(t, scope)),
    )


def _of_the_week(scope: Scope) -> str:
    """Attempts of the last week, or since the tenant was set up."""
    now = f"max by (tenant) ({scope.latest(catalog.CHARGE_ATTEMPTS.name)})"
    young = f"(0 * {now} and on (tenant) ({created(scope)} > time() - {habit.WEEK}))"
    return f"clamp_min({now} - on (tenant) ({_attempts(scope, habit.WEEK)} or on (tenant) {young}), 0)"


def _evident(due: Callable[[int], str]) -> str:
    """PromQL for the seconds in which as many payments are due as `bar` says, straight between the windows.

    Where a week brings fewer, its rate goes on; where it brings none, nothing is known before four weeks.
    """

    def ratio(window: int) -> str:
        return f"({due(window)} / {bar(window)})"

    steps = [f"{WINDOWS[0]} / ({ratio(WINDOWS[0])} >= 1)"]
    steps += [
        f"{shorter} + {longer - shorter} * (1 - {ratio(shorter)}) / on (tenant)"
        f" (({ratio(longer)} >= 1) - on (tenant) {ratio(shorter)})"
        for shorter, longer in pairwise(WINDOWS)
    ]
    steps += [f"{window} / ({ratio(window)} > 0)" for window in reversed(WINDOWS[4:])]
    return "\nor on (tenant)\n".join(steps)


def _allowed(t: Thresholds, scope: Scope) -> str:
    """PromQL for the seconds of silence that are no lapse: the longer of what is usual and of what chance explains."""
    suffix = suffix_of(t)
    usual = habit.read(scope.recorded(longest_name(t)))
    gap = habit.read(scope.recorded(f"{GAP}{suffix}"))
    evident = habit.read(scope.recorded(f"{EVIDENT}{suffix}"))
    both = habit.told_apart(
        "of",
        (
            ("rhythm", f"clamp_min({FACTOR} * {usual} + {SLACK}, {FLOOR})"),
            (
                "chance",
                f"({evident} or on (tenant) (0 * {usual} + {4 * habit.WEEK})) and on (tenant) {usual}",
            ),
        ),
    )
    return (
        f"max by (tenant) (\n{indented(both)}\n)\n"
        f"or on (tenant)\nclamp_min({bar(HOUR)} * {gap}, {YOUNG})\n"
        f"or on (tenant)\n{UNKNOWN} + 0 * {created(scope)}"
    )


def recordings(t: Thresholds, scope: Scope) -> tuple[Recording, ...]:  # noqa: ARG001 - every method's signature
    """Return what both methods read."""
    return (*signals.recordings(scope), *by_stripe.recordings(scope))


def threshold(t: Thresholds, scope: Scope) -> Recording:
    """Return the seconds of silence that are allowed now."""
    suffix = suffix_of(t)
    return Recording(signals.LEVEL, habit.read(scope.recorded(f"{ALLOWED}{suffix}")))


def condition(t: Thresholds, scope: Scope) -> str:
    """Return PromQL for: silent for longer than the level, or never heard of for a day; and the exporter was there.

    Where catch-up works, Stripe's list decides instead.
    """
    beside = scope.beside
    level = f"max by (tenant) ({habit.read(beside.recorded(signals.LEVEL))})"
    by_habit = (
        "(\n"
        f"  {scope.recorded(signals.SILENCE)} > on (tenant) {level} + {t.for_}\n"
        "  or on (tenant)\n"
        f"  ({signals.never_heard(beside, YOUNG + t.for_)} and on (tenant) {created(scope)})\n"
        ")\n"
        f"and on () {signals.exporter_was_there(HOUR)}"
    )
    return by_stripe.decides(by_habit, scope)


def description(t: Thresholds) -> str:
    """Return how long it has been silent, and how long is usual at this hour."""
    usual = first_of(f"{longest_name(t)}{{tenant='%s'}}", "tenant", form="humanizeDuration")
    allowed = first_of(f"{signals.LEVEL}{{tenant='%s'}}", "tenant", form="humanizeDuration")
    return by_stripe.description(
        "Stripe has sent no validly signed event for {{ $value | humanizeDuration }} (or never, since it was set up). "
        f"Usual at this hour of the week: up to {usual}. Fires when nothing came for more than {allowed}, in which "
        f"{bar(HOUR):.0f} payments or so were due."
    )


METHOD = Method(
    recordings, condition, threshold, description, lambda t: habit.reach(t.weeks), cases, habits=habits
)
