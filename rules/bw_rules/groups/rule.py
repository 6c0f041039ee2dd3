"""Alerting rules and groups as values, before any format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bw_exporter.config.durations import render as duration

if TYPE_CHECKING:
    from bw_rules.toolkit.promql import Recording

INTERVAL_SECONDS = 60
SLOW_INTERVAL_SECONDS = 300
"""How often habits are recorded: they change by the day, and cost most of all."""


@dataclass(frozen=True, slots=True)
class Alert:
    """An alerting rule; times in seconds."""

    name: str
    expr: str
    labels: tuple[tuple[str, str], ...]
    annotations: tuple[tuple[str, str], ...]
    for_: int = 0
    keep_firing_for: int = 0


@dataclass(frozen=True, slots=True)
class Group:
    """Rules evaluated one after the other, each reading what those before it recorded."""

    name: str
    rules: tuple[Recording | Alert, ...]
    interval: int = INTERVAL_SECONDS


def as_mapping(group: Group) -> dict[str, Any]:
    """Return the group as Prometheus' rule file has it."""
    return {
        "name": group.name,
        "interval": duration(group.interval),
        "rules": [_alert(rule) if isinstance(rule, Alert) else _recording(rule) for rule in group.rules],
    }


def _recording(rule: Recording) -> dict[str, Any]:
    labels = {"labels": dict(rule.labels)} if rule.labels else {}
    return {"record": rule.name, "expr": rule.expr, **labels}


def _alert(rule: Alert) -> dict[str, Any]:
    times = {"for": rule.for_, "keep_firing_for": rule.keep_firing_for}
    return {
        "alert": rule.name,
        "expr": rule.expr,
        **{name: duration(seconds) for name, seconds in times.items() if seconds},
        "labels": dict(rule.labels),
        "annotations": dict(rule.annotations),
    }
