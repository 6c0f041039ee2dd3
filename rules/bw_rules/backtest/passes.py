"""Which recordings some alerts need, in which order they have to be made, and how far back each is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from promql_parser import (
    AggregateExpr,
    BinaryExpr,
    Call,
    MatrixSelector,
    ParenExpr,
    SubqueryExpr,
    UnaryExpr,
    VectorSelector,
    parse,
)

from bw_exporter.config.durations import parse as seconds
from bw_exporter.errors import BillingWatchError

LOOKBACK_SECONDS = 300
"""How old a sample may be that an instant selector returns: Prometheus' --query.lookback-delta."""

_INTERVAL_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording rule. Its values are read from `reach` seconds before the first moment that is judged."""

    rule: Mapping[str, Any]
    interval: int
    reach: int

    @property
    def name(self) -> str:
        """The series that it records."""
        return str(self.rule["record"])


def passes(groups: Iterable[Mapping[str, Any]], expressions: Iterable[str]) -> list[list[Recording]]:
    """Return the recordings that `expressions` read, each pass of which reads only what earlier ones recorded.

    `groups` are those of a rule file. Several rules may record one name; they share a pass and a reach. Raises
    BillingWatchError for recordings that read each other.
    """
    rules: dict[str, list[tuple[Mapping[str, Any], int]]] = {}
    for group in groups:
        interval = seconds(group["interval"]) if "interval" in group else _INTERVAL_SECONDS
        for rule in group["rules"]:
            if "record" in rule:
                rules.setdefault(rule["record"], []).append((rule, interval))
    reads = {name: _reads([rule["expr"] for rule, _ in same], rules) for name, same in rules.items()}
    found: list[list[Recording]] = []
    reach = _reaches(_reads(expressions, rules), reads)
    left = set(reach)
    while left:
        ready = {name for name in left if not (reads[name].keys() & left)}
        if not ready:
            raise BillingWatchError(f"these recordings read each other: {', '.join(sorted(left))}")
        found.append(
            [
                Recording(rule, interval, reach[name])
                for name in rules
                if name in ready
                for rule, interval in rules[name]
            ]
        )
        left -= ready
    return found


def selectors(expression: str) -> dict[str, int]:
    """Return the metrics that an expression reads, and from how many seconds before its moment it reads each."""
    found: dict[str, int] = {}
    _visit(parse(expression), 0, found)
    return found


def _reads(expressions: Iterable[str], names: Iterable[str]) -> dict[str, int]:
    known = set(names)
    found: dict[str, int] = {}
    for expression in expressions:
        for name, back in selectors(expression).items():
            if name in known:
                found[name] = max(back, found.get(name, 0))
    return found


def _reaches(first: Mapping[str, int], reads: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """Return how far back each name is read, through whatever other recordings."""
    reach = dict(first)
    todo = list(first)
    for _ in range(len(reads) ** 2 + 1):
        if not todo:
            return reach
        name = todo.pop()
        for read, back in reads[name].items():
            if reach.get(read, -1) < reach[name] + back:
                reach[read] = reach[name] + back
                todo.append(read)
    raise BillingWatchError(f"these recordings read each other: {', '.join(sorted(reach))}")


def _visit(node: object, back: int, found: dict[str, int]) -> None:
    match node:
        case VectorSelector():
            far = back + _offset(node) + LOOKBACK_SECONDS
            found[str(node.name)] = max(far, found.get(str(node.name), 0))
        case MatrixSelector():
            _visit(node.vector_selector, back + _seconds(node.range), found)
        case SubqueryExpr():
            _visit(node.expr, back + _seconds(node.range) + _offset(node), found)
        case ParenExpr() | UnaryExpr():
            _visit(node.expr, back, found)
        case BinaryExpr():
            _visit(node.lhs, back, found)
            _visit(node.rhs, back, found)
        case AggregateExpr():
            _visit(node.expr, back, found)
            _visit(node.param, back, found)
        case Call():
            for argument in node.args:
                _visit(argument, back, found)
        case _:  # a number or a string
            pass


def _offset(node: VectorSelector | SubqueryExpr) -> int:
    return max(0, _seconds(node.offset))  # one that looks ahead looks back none


def _seconds(span: timedelta | None) -> int:
    return int(span.total_seconds()) if span else 0
