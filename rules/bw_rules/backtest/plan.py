"""What has to be recorded and asked for, so that several sets of thresholds are judged at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bw_exporter.config.durations import render as duration
from bw_exporter.metrics import catalog
from bw_rules.backtest import template
from bw_rules.backtest.passes import Recording, passes, selectors
from bw_rules.groups import build
from bw_rules.groups.rule import INTERVAL_SECONDS, Alert, Group, as_mapping
from bw_rules.toolkit.promql import for_tenants_older_than, quoted

if TYPE_CHECKING:
    from bw_rules.backtest.variants import Variant

CLOCK = "backtest:clock"
"""Recorded at each evaluation: its timestamps tell at which second of the interval promtool evaluates."""

_NAME = re.compile(r"(?<![\w:])[a-zA-Z_:][\w:]*(?![\w:])")
_SELECTOR = re.compile(r"(?<![\w:])([a-z_]\w*)\{([^}]*)\}")
_OF_TENANTS = frozenset(
    name for family in catalog.FAMILIES if family.per_tenant for name in family.sample_names
)


@dataclass(frozen=True, slots=True)
class AlertQuery:
    """An alerting rule of one variant, with the names under which this plan records what it reads."""

    variant: str
    detector: str
    alert: Alert
    expr: str
    description: str


@dataclass(frozen=True, slots=True)
class Plan:
    """`scraped` and `passes[0]` are made from what the running Prometheus has, later passes from earlier ones.

    `scraped` are copies of the series that later passes, alerts and descriptions read, and the clock.
    """

    alerts: tuple[AlertQuery, ...]
    scraped: tuple[Recording, ...]
    passes: tuple[tuple[Recording, ...], ...]

    @property
    def reach(self) -> int:
        """How far back (seconds) the first moment that is judged reads."""
        return max((one.reach for some in (self.scraped, *self.passes) for one in some), default=0)

    def for_tenants_older_than(self, seconds: int) -> Plan:
        """Return the plan for tenants that are all older at the first moment that is read."""

        def shorter(one: Recording) -> Recording:
            return replace(one, rule={**one.rule, "expr": for_tenants_older_than(one.rule["expr"], seconds)})

        return replace(self, passes=tuple(tuple(map(shorter, some)) for some in self.passes))


def plan(
    variants: Sequence[Variant], detectors: Iterable[str], job: str, tenant: str | None, interval: int
) -> Plan:
    """Return the plan for the alerts of some detectors; with `tenant` only that one is read.

    `interval` is how often groups without habits are evaluated (seconds).
    """
    wanted, names = set(detectors), _Names(interval)
    alerts = []
    for variant in variants:
        groups = build.groups(variant.tenants, build.Settings(job))
        renamed = names.add(groups)
        alerts += [
            _query(variant.name, build.detector_of(group.name), rule, renamed)
            for group in groups
            if build.detector_of(group.name) in wanted
            for rule in group.rules
            if isinstance(rule, Alert)
        ]
    read = [expr for one in alerts for expr in (one.expr, *_queries(one))]
    made = passes(names.groups, dict.fromkeys(read))
    narrowed = [[_narrowed(one, job, tenant) for one in some] for some in made[:1]]
    scraped = [_narrowed(one, job, tenant) for one in _scraped(made, read, job, interval)]
    return Plan(tuple(alerts), tuple(scraped), tuple(map(tuple, (*narrowed, *made[1:]))))


def _query(variant: str, detector: str, alert: Alert, renamed: Mapping[str, str]) -> AlertQuery:
    description = _renamed(dict(alert.annotations)["description"], renamed)
    return AlertQuery(variant, detector, alert, _renamed(alert.expr, renamed), description)


def _queries(one: AlertQuery) -> list[str]:
    try:
        return template.queries(one.description)
    except template.UnknownTemplateError:  # it is not expanded then
        return []


class _Names:
    """Recordings of all variants: what differs between two of them gets a name of its own."""

    def __init__(self, interval: int) -> None:
        self._interval = duration(interval)
        self.groups: list[dict[str, Any]] = []
        self._rules: dict[str, list[tuple[Mapping[str, Any], str]]] = {}

    def add(self, groups: Iterable[Group]) -> dict[str, str]:
        """Add what is not there yet; return what is recorded under another name in this variant."""
        own: dict[str, list[tuple[Mapping[str, Any], str]]] = {}
        for group in groups:
            interval = self._interval if group.interval == INTERVAL_SECONDS else duration(group.interval)
            for rule in as_mapping(group)["rules"]:
                if "record" in rule:
                    own.setdefault(rule["record"], []).append((rule, interval))
        reads = {name: {word for rule, _ in rules for word in _names(rule)} for name, rules in own.items()}
        changed = {name for name, rules in own.items() if self._rules.get(name, rules) != rules}
        while more := {name for name in own if name not in changed and reads[name] & changed}:
            changed |= more
        number = len(self.groups)
        renamed = {name: f"{name}:variant{number}" for name in changed}
        for name, rules in own.items():
            if name in changed or name not in self._rules:
                self._rules.setdefault(name, rules)
                self.groups += [_group(rule, interval, renamed) for rule, interval in rules]
        return renamed


def _group(rule: Mapping[str, Any], interval: str, renamed: Mapping[str, str]) -> dict[str, Any]:
    changed = {"record": renamed.get(rule["record"], rule["record"]), "expr": _renamed(rule["expr"], renamed)}
    return {"interval": interval, "rules": [{**rule, **changed}]}


def _scraped(
    made: Sequence[Sequence[Recording]], read: Iterable[str], job: str, interval: int
) -> list[Recording]:
    """Return the clock, and copies of the scraped series that are read, each as far back as it is read."""
    recorded = {one.name for some in made for one in some}
    expressions = [(expr, 0) for expr in read]
    expressions += [(str(one.rule["expr"]), one.reach) for some in made[1:] for one in some]
    reach: dict[str, int] = {}
    for expr, before in expressions:
        for name, back in selectors(expr).items():
            if name not in recorded:
                reach[name] = max(back + before, reach.get(name, 0))
    copies = (
        Recording({"record": name, "expr": f"{name}{{job={quoted(job)}}}"}, interval, far)
        for name, far in sorted(reach.items())
    )
    return [Recording({"record": CLOCK, "expr": "vector(1)"}, interval, 0), *copies]


def _narrowed(one: Recording, job: str, tenant: str | None) -> Recording:
    """Return the recording of one tenant's exported series alone."""
    if tenant is None:
        return one
    matcher = f"job={quoted(job)}"

    def narrow(found: re.Match[str]) -> str:
        name, inside = found[1], found[2]
        if name not in _OF_TENANTS or matcher not in inside:
            return found[0]
        return f"{name}{{{inside},tenant={quoted(tenant)}}}"

    return replace(one, rule={**one.rule, "expr": _SELECTOR.sub(narrow, str(one.rule["expr"]))})


def _names(rule: Mapping[str, Any]) -> list[str]:
    return _NAME.findall(rule["expr"])


def _renamed(expr: str, names: Mapping[str, str]) -> str:
    return _NAME.sub(lambda found: names.get(found[0], found[0]), expr) if names else expr
