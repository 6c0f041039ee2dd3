"""The dashboards as they are shipped, and their queries as Grafana would send them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promql_parser import VectorSelector, parse, walk

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "dashboards" / "json"
NAMES = ("billing-overview.json", "billing-tenant.json", "billingwatch-exporter.json")

Json = dict[str, Any]


@dataclass(frozen=True)
class Target:
    """One query of a panel, or of an annotation."""

    board: str
    panel: str
    ref: str
    expr: str
    instant: bool
    interval: str = "1m"
    time_from: str = ""
    legend: str = ""

    def __str__(self) -> str:
        return f"{self.board}: {self.panel}: {self.ref}"


def load(name: str) -> Json:
    board: Json = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    return board


def boards() -> dict[str, Json]:
    return {name: load(name) for name in NAMES}


def panels(board: Json) -> list[Json]:
    """Every panel but the headings of rows."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def variables(board: Json) -> dict[str, Json]:
    return {one["name"]: one for one in board["templating"]["list"]}


def annotations(board: Json) -> list[Json]:
    found: list[Json] = board.get("annotations", {}).get("list", [])
    return found


def targets(name: str) -> Iterator[Target]:
    board = load(name)
    for panel in panels(board):
        for one in panel["targets"]:
            yield Target(
                name,
                panel["title"],
                one["refId"],
                one["expr"],
                one["instant"],
                panel.get("interval", "1m"),
                panel.get("timeFrom", ""),
                one["legendFormat"],
            )
    for one in annotations(board):
        yield Target(name, one["name"], "annotation", one["expr"], instant=False)


def all_targets() -> list[Target]:
    return [target for name in NAMES for target in targets(name)]


def filled(text: str, values: Mapping[str, str]) -> str:
    """Return the text with $name and ${name} replaced; raise KeyError for a variable that has no value."""
    return re.sub(r"\$(?:\{(\w+)\}|([a-z_]\w*))", lambda match: values[match[1] or match[2]], text)


def selectors(expr: str) -> list[VectorSelector]:
    """Return every vector selector of a filled expression."""
    found: list[VectorSelector] = []

    def visit(node: object) -> None:
        if isinstance(node, VectorSelector):
            found.append(node)

    walk(parse(expr), visit)
    return found


def matchers(selector: VectorSelector) -> list[tuple[str, str, str]]:
    """Return (label, operator, value) of a selector's matchers."""
    operators = {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}
    return [
        (one.name, operators[str(one.op).rpartition(".")[2]], one.value) for one in selector.matchers.matchers
    ]


EXAMPLE = {
    "datasource": "prometheus",
    "job": "billing-exporter",
    "instance": ".+",
    "tenant": "prod",
    "currency": "usd",
    "__interval": "1m",
    "__interval_ms": "60000",
    "__rate_interval": "4m",
}
"""Values of all variables, with the windows that tenants have by default."""
