"""How much a counter rose, by any of its labels, as PromQL for people: dashboards and runbooks.

Replicas share a store and give the same totals, hence `max`. A count is the difference of a durable counter at two
moments, as in the rules: `increase()` makes 1.017 of one dispute, and 0 of a series that was born with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bw_exporter.config import durations
from bw_exporter.metrics import catalog
from bw_rules.toolkit.promql import indented

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bw_exporter.metrics.family import Family

ONE_TENANT = 'tenant="…"'
"""Whoever pastes a runbook's query writes the tenant of the alert here."""


def rise(name: str, by: str, window: str, seconds: str, *matchers: str) -> str:
    """Return PromQL for how much an exported counter rose within the window, by `by` (tenant first).

    `window` is a duration and `seconds` the same as a number; a dashboard gives variables. A series that was not
    there at the start, of a tenant that Prometheus knew then or that is younger, began at 0; of any other tenant
    nothing is returned.
    """
    series = _selected(name, matchers)
    then = f"max by ({by}) (last_over_time({series}[1h] offset {window}))"
    return difference(f"max by ({by}) ({series})", then, by, window, seconds, *matchers)


def difference(now: str, then: str, by: str, window: str, seconds: str, *matchers: str) -> str:
    """Return `now` less `then`, where a series that was not there then began at 0, as `rise` says."""
    created = _selected(
        catalog.TENANT_CREATED.name, (each for each in matchers if each.startswith(("job", "tenant")))
    )
    known = f"max by (tenant) (last_over_time({created}[1h] offset {window}))"
    young = f"max by (tenant) ({created} > time() - {seconds})"
    return (
        f"clamp_min(\n  {now}\n  - on ({by}) (\n    {then}\n    or on ({by})\n"
        f"    (0 * {now} and on (tenant) ({known} or {young}))\n  ),\n  0\n)"
    )


def first_look(family: Family, label: str, window: str, *matchers: str) -> str:
    """Return Markdown for a step of a runbook: the query to paste, the largest value of `label` first.

    Without a label it is the tenant's total. `window` is a duration; `matchers` stand in place of the tenant's.
    """
    by = ", ".join(family.label_names)
    query = rise(family.name, by, window, str(durations.parse(window)), *(matchers or (ONE_TENANT,)))
    total = f"tenant, {label}" if label else "tenant"
    if by != total:
        query = f"sum by ({total}) (\n{indented(query)}\n)"
    if label:
        query = f"sort_desc(\n{indented(query)}\n)"
    return f"\n\n   ```promql\n{indented(query, 3)}\n   ```\n"


def _selected(name: str, matchers: Iterable[str]) -> str:
    return f"{name}{{{','.join(matchers)}}}"
