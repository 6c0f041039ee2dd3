"""What part of the counted sales is a currency's: all of its own charges, or its part of the tenant's sales."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bw_exporter.metrics import catalog
from bw_rules.detectors.revenue_drop.counters import ON, REVENUE, SALES
from bw_rules.toolkit import habit
from bw_rules.toolkit.promql import DAY, Recording, created, indented, quoted

if TYPE_CHECKING:
    from bw_rules.toolkit.promql import Scope

PART = f"tenant:{SALES.name}:part"
"""Of each currency one of the two counters has a part: 1 of its own charges, at most 1 of all sales."""
_CHANGES = f"tenant:{REVENUE.name}:changes1h"
_ACTIVE = f"tenant:{REVENUE.name}:active1d"
_LEAST_ACTIVE = 25
"""Minutes of a week in which a currency brought money; fewer say nothing of its part."""
_WEEKS = 4


def recordings(scope: Scope) -> tuple[Recording, ...]:
    """Return the rules that record the part.

    Charges by currency count where they are known for four weeks, or for all of a tenant's life. Until then all sales
    do: whole, of a tenant that only one currency ever brought money; else the currency's part of the minutes in which
    money came.
    """
    money = scope.recorded(REVENUE.max_name)
    active = f" + on ({ON}) ".join(habit.read(scope.recorded(_ACTIVE), day * DAY) for day in range(1, 8))
    shared = f"(({active}) >= {_LEAST_ACTIVE})\n/ on (tenant) group_left ()\nsum by (tenant) ({active})"
    single = f"0 * {money} + 1 and on (tenant) (count by (tenant) ({money} > 0) == 1)"
    part = habit.told_apart(
        "of", (("attempts", f"(\n{indented(single)}\n)\nor on ({ON})\n({indented(shared)})"),)
    )
    charges = f"1 + 0 * {_narrowed(scope, SALES.max_name)}\nand on (tenant) (\n{indented(_known(scope))}\n)"
    return (
        Recording(_CHANGES, f"changes({money}[1h])"),
        Recording(_ACTIVE, f"sum_over_time({scope.recorded(_CHANGES)}[1d:1h])"),
        Recording(PART, f"({charges})\nor on ({ON})\n{part}"),
    )


def _known(scope: Scope) -> str:
    """PromQL for the tenants whose charges have been counted by currency for long enough, or since they were set up."""
    family = f"family={quoted(catalog.CHARGES.name)}"
    began = f"max(last_over_time({scope.everyone.raw(catalog.FAMILY_BEGAN.name, family)}[5m]))"
    tenants = created(scope)
    return (
        f"({tenants} >= on () group_left () {began})\n"
        f"or on (tenant) ({tenants} and on () ({began} < time() - {habit.reach(_WEEKS)}))"
    )


def _narrowed(scope: Scope, name: str) -> str:
    matchers = [part for part in (scope.tenants, 'of="charges"') if part]
    return f"{name}{{{','.join(matchers)}}}"
