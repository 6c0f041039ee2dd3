"""What Grafana does before it asks Prometheus: variables resolved in their order, and the step of a panel chosen."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .board_files import Target, filled, load, variables
from .past_prometheus import STEP, Past

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_WIDTH = 400
"""Points of a panel: its width in pixels, about."""


@dataclass(frozen=True)
class Choice:
    """A board with a value for each variable, as Grafana puts it into a query."""

    board: str
    values: dict[str, str]

    def __str__(self) -> str:
        return f"{self.board} tenant={self.values['tenant']} currency={self.values.get('currency')}"


def choices(past: Past, name: str) -> Iterator[Choice]:
    """Give the board for each tenant and currency to choose, and for all of those that can be chosen together."""
    yield from _choices(past, name, list(variables(load(name)).values()), {"datasource": "prometheus"})


def _choices(past: Past, name: str, left: list[dict[str, Any]], values: dict[str, str]) -> Iterator[Choice]:
    if not left:
        yield Choice(name, values)
        return
    variable, *rest = left
    if variable["type"] == "datasource":
        yield from _choices(past, name, rest, values)
        return
    found = options(past, variable, values)
    if variable["name"] == "currency":
        picked = found  # panels repeat for each
    elif variable.get("includeAll"):
        picked = [variable.get("allValue") or "|".join(found)]
    elif variable["name"] == "tenant":
        picked = found
    else:
        picked = found[:1] or [""]
    for value in picked:
        yield from _choices(past, name, rest, {**values, variable["name"]: value})


def options(past: Past, variable: dict[str, Any], values: dict[str, str]) -> list[str]:
    """Return the values to choose from, as label_values() and the variable's regex give them."""
    match = re.fullmatch(r"label_values\((?:(.+),\s*)?(\w+)\)", variable["query"])
    assert match, variable["query"]
    selector, label = match.groups()
    found = past.get(
        f"label/{label}/values",
        **{"match[]": filled(selector, values), "start": past.end_at - 86_400, "end": past.end_at},
    )
    if regex := variable.get("regex"):
        pattern = re.compile(regex.removeprefix("/").removesuffix("/"))
        matches = [pattern.search(value) for value in found]
        found = [match[match.re.groups and 1] for match in matches if match]
    return sorted(set(found))


def ask(past: Past, target: Target, choice: Choice) -> tuple[str, list[Any]]:
    """Return (the query as sent, its result), over the time that the board or the panel shows."""
    end = past.end_at
    start = end - seconds(load(choice.board)["time"]["from"].removeprefix("now-"))
    if target.time_from:
        assert target.time_from == "now/d"
        start = end - end % 86_400
    step = max(seconds(target.interval), -(-(end - start) // _WIDTH // 60) * 60)
    values = {
        **choice.values,
        "__interval": f"{step}s",
        "__interval_ms": str(1000 * step),
        "__rate_interval": f"{max(step + STEP, 4 * STEP)}s",
    }
    expr = filled(target.expr, values)
    if target.instant:
        return expr, past.instant(expr)
    return expr, past.range(expr, end - (end - start) // step * step, end, step)


def seconds(duration: str) -> int:
    """Return a duration of one unit in seconds."""
    return int(duration[:-1]) * _SECONDS[duration[-1]]
