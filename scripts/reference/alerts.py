"""docs/alerts.md: what each alert says, by default, and what stands behind it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from bw_exporter.config import in_force
from bw_exporter.config.durations import render as duration
from bw_exporter.facts import feeds
from bw_exporter.metrics import catalog
from bw_rules.detectors import DETECTORS, OFF_UNTIL_ASKED_FOR, THRESHOLDS
from bw_rules.groups import build, runbooks
from bw_rules.groups.rule import Alert

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bw_exporter.config.tenants import Tenants
    from bw_exporter.metrics.family import Family
    from bw_rules.groups.rule import Group

_MATCHER = re.compile(r'(\w+)(=~|!~|!=|=)"(.*)"')
_MEANING = re.compile(r"\n\n(.+?)\n\n## Meaning\n\n(.+?)\n\n", re.DOTALL)

_COMMON = ("enabled", "severity", "for", "keep_firing_for")

Inhibition = dict[str, Any]
"""An entry of Alertmanager's inhibit_rules."""


def sections(tenants: Tenants, inhibitions: Sequence[Inhibition]) -> dict[str, str]:
    """Return the sections of the detectors' alerts and of the exporter alerts, by `detectors` and `exporter`.

    `tenants` override nothing and have every detector on, so that the rules are those of the default thresholds.
    """
    found: dict[str, list[str]] = {"detectors": [], "exporter": []}
    for group in build.groups(tenants, build.Settings()):
        part = "detectors" if build.detector_of(group.name) in DETECTORS else "exporter"
        found[part] += [_section(rule, group, inhibitions) for rule in group.rules if isinstance(rule, Alert)]
    return {part: "\n".join(texts) for part, texts in found.items()}


def _section(rule: Alert, group: Group, inhibitions: Sequence[Inhibition]) -> str:
    given = dict(rule.labels)
    own = re.findall(r"\$labels\.(\w+)", " ".join(text for _, text in rule.annotations))
    summary, meaning = _MEANING.search(runbooks.pages()[f"{rule.name}.md"]).groups()  # type: ignore[union-attr]
    facts = [
        f"severity: {', '.join((given['severity'], *_times(rule)))}",
        f"labels: {', '.join(f'`{name}`' for name in dict.fromkeys((*own, *given)))}",
    ]
    if hidden := _hidden_by(rule.name, given["detector"], inhibitions):
        facts.append(f"kept quiet by: {', '.join(hidden)}")
    if given["detector"] in DETECTORS:
        facts += _watched(given["detector"], rule, group)
    facts.append(f"runbook: [{rule.name}](runbooks/{rule.name}.md)")
    listed = "\n".join(f"- {fact}" for fact in facts)
    return f"### {rule.name}\n\n{summary} {meaning}\n\n{listed}\n\n```promql\n{rule.expr}\n```\n"


def _times(rule: Alert) -> list[str]:
    times = {"for": rule.for_, "keep_firing_for": rule.keep_firing_for}
    return [f"`{name}` {duration(seconds)}" for name, seconds in times.items() if seconds]


def _watched(detector: str, rule: Alert, group: Group) -> list[str]:
    names = set(re.findall(r"\w+", " ".join([rule.expr, *(each.expr for each in group.rules)])))
    read: list[Family] = [one for one in catalog.FAMILIES if names & {one.name, *one.sample_names}]
    fed_by = dict.fromkeys(event for family in read for event in feeds.feeding(family))
    settings = THRESHOLDS[detector]()
    chosen = [
        f"`{key}` {in_force.shown(settings, key)}" for key in in_force.keys(settings) if key not in _COMMON
    ]
    asked = (
        [f"off until asked for: `{detector}: {{enabled: true}}`"] if detector in OFF_UNTIL_ASKED_FOR else []
    )
    return [
        *asked,
        f"by default: {', '.join(chosen)} ([thresholds](configuration.md#{detector}))",
        "reads: " + ", ".join(f"[`{family.name}`](metrics.md#{family.name})" for family in read),
        "fed by: " + (", ".join(f"`{event}`" for event in fed_by) or "any event"),
    ]


def _hidden_by(alert: str, detector: str, inhibitions: Sequence[Inhibition]) -> list[str]:
    """Which alerts, while they fire, keep Alertmanager from telling of this one."""
    labels = {"alertname": alert, "detector": detector}
    found = []
    for rule in inhibitions:
        if all(_matches(*parts, labels) for parts in _parsed(rule["target_matchers"])):
            whose = " of the same tenant" if "tenant" in rule.get("equal", ()) else ""
            sources = [value for name, _, value in _parsed(rule["source_matchers"]) if name == "alertname"]
            found += [f"{source}{whose}" for source in sources]
    return found


def _parsed(matchers: Sequence[str]) -> list[tuple[str, str, str]]:
    return [found for matcher in matchers for found in _MATCHER.findall(matcher)]


def _matches(name: str, sign: str, value: str, labels: dict[str, str]) -> bool:
    """Matchers of other labels choose among tenants."""
    if name not in labels:
        return True
    if sign in ("=~", "!~"):
        return bool(re.fullmatch(value, labels[name])) == (sign == "=~")
    return (labels[name] == value) == (sign == "=")
