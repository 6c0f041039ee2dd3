"""Each currency's part of a tenant's sales, which are counted for all currencies together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bw_rules.detectors.revenue_drop.counters import ON, REVENUE
from bw_rules.toolkit import habit
from bw_rules.toolkit.promql import DAY, Recording, indented

if TYPE_CHECKING:
    from bw_rules.toolkit.promql import Scope

_CHANGES = f"tenant:{REVENUE.name}:changes1h"
_ACTIVE = f"tenant:{REVENUE.name}:active1d"
_LEAST_ACTIVE = 25
"""Minutes of a week in which a currency brought money; fewer say nothing of its part."""


def part_of_sales_name(weeks: int) -> str:
    """Return the name of the recorded part; it does not depend on the weeks."""
    del weeks
    return "tenant:billing_sales:part"


def part_of_sales(weeks: int, scope: Scope) -> tuple[Recording, ...]:
    """Return the rules that record it: 1 of a single currency, else its part of the minutes in which money came."""
    money = scope.recorded(REVENUE.max_name)
    active = f" + on ({ON}) ".join(habit.read(scope.recorded(_ACTIVE), day * DAY) for day in range(1, 8))
    part = f"(({active}) >= {_LEAST_ACTIVE})\n/ on (tenant) group_left ()\nsum by (tenant) ({active})"
    return (
        Recording(_CHANGES, f"changes({money}[1h])"),
        Recording(_ACTIVE, f"sum_over_time({scope.recorded(_CHANGES)}[1d:1h])"),
        Recording(
            part_of_sales_name(weeks),
            f"(0 * {money} + 1 and on (tenant) (count by (tenant) ({money}) == 1))\nor on "
            f"({ON})\n(\n{indented(part)}\n)",
        ),
    )
