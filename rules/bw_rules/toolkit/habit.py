"""What is usual for a tenant at this hour of the week, as PromQL; recorded every five minutes, as it changes slowly.

A habit is read by `read`, which bridges a late evaluation. It compares with the same window of the weeks before, and
reads no further back than the tenant's `past`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bw_exporter.config.durations import render as duration
from bw_exporter.metrics import catalog
from bw_rules.toolkit.promql import DAY, HOUR, MINUTE, indented, latest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bw_rules.toolkit.promql import Scope

WEEK = 7 * DAY
_BRIDGE = 16 * MINUTE
"""So long ago a habit may have been recorded: three evaluations of five minutes may be missed."""
_SLACK = DAY
"""How much further back than its weeks a habit may read."""


def read(series: str, ago: int = 0) -> str:
    """Return PromQL for a habit, as it is or was `ago` seconds ago."""
    offset = f" offset {duration(ago)}" if ago else ""
    return f"last_over_time({series}[{duration(_BRIDGE)}]{offset})"


def reach(weeks: int) -> int:
    """Return how far back (seconds) the habits of so many weeks look."""
    return weeks * WEEK + _SLACK


def told_apart(label: str, parts: Iterable[tuple[str, str]]) -> str:
    """Return PromQL for all of (value, vector), each with its value in a label of that name."""
    return "\nor\n".join(
        f'label_replace(\n{indented(one)},\n  "{label}", "{value}", "", ""\n)' for value, one in parts
    )


def over_weeks(quantile: str, on: str, back: Iterable[int], one: Callable[[int], str]) -> str:
    """Return PromQL for a quantile over the weeks `back`; `one` gives a vector for so many seconds ago."""
    parts = told_apart("week", ((str(week), one(week * WEEK)) for week in back))
    return f"quantile by ({on}) ({quantile},\n{indented(parts)}\n)"


def second_lowest(
    weeks: int, window: int, on: str, grew: Callable[[int], str], *, least: bool = False
) -> str:
    """Return PromQL for what a window usually brings: the second lowest of four weeks, the lowest of fewer.

    `grew` gives what came in the window that ended so many seconds ago. One holiday or outage among four weeks is
    no habit. Nothing is known before two weeks are. Windows longer than a day leave out the oldest week, so that no
    habit reads further back than `reach`: of three weeks it is the middle one, and of the one week that two weeks of
    past leave it is a standard deviation less. With `least` the lowest of all weeks counts.
    """
    far = window > DAY
    back = range(1, weeks if far else weeks + 1)
    known = f"and on ({on}) ((\n{indented(grew(2 * WEEK))}\n) >= 0)"
    if len(back) == 1:
        one = grew(WEEK)
        return f"(\n{indented(one)}\n)\n- sqrt((\n{indented(one)}\n) >= 0)"
    quantile = "0" if least else {4: "1 / 3", 3: "0.5", 2: "0"}[len(back)]
    found = over_weeks(quantile, on, back, lambda ago: f"(\n{indented(grew(ago))}\n) >= 0")
    return f"{found}\n{known}"


def clock_changed(scope: Scope, weeks: int) -> str:
    """Return PromQL for the tenants whose clock was put forward or back within the weeks."""
    raw = scope.raw(catalog.TENANT_UTC_OFFSET.name)
    now = f"max by (tenant) ({latest(raw)})"
    pasts = (f"last_over_time({raw}[1h] offset {duration(week * WEEK)})" for week in range(1, weeks + 1))
    changes = (f"({now} - on (tenant) max by (tenant) ({past})) != 0" for past in pasts)
    return "\nor on (tenant)\n".join(changes)


def by_the_clock(ahead: str, changed: str, on: str) -> str:
    """Return PromQL for a habit that was recorded an hour ahead of its time, under the name `ahead`.

    Habits are read in UTC. For the weeks after a tenant's clock was changed, its day is an hour earlier or later than
    the weeks say, so the least of an hour before, now and an hour after counts.
    """
    around = told_apart(
        "hour",
        ((str(hour), f"{read(ahead, hour * HOUR)} and on (tenant) {read(changed)}") for hour in range(3)),
    )
    return f"min by ({on}) (\n{indented(around)}\n)\nor on ({on})\n{read(ahead, HOUR)}"
