"""How a detector watches one tenant now: with how much past, what is usual, the level, and what fires."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from bw_exporter.config.durations import render as duration
from bw_exporter.errors import BillingWatchError
from bw_exporter.metrics import catalog
from bw_rules.backtest import template
from bw_rules.backtest.coverage import thresholds, weeks
from bw_rules.detectors import DETECTORS
from bw_rules.groups import build
from bw_rules.groups.profiles import profiles
from bw_rules.toolkit.promql import DAY, HOUR, quoted

if TYPE_CHECKING:
    from bw_exporter.config.tenants import Tenants
    from bw_rules.groups.profiles import Profile
    from bw_rules.prometheus import Prometheus
    from bw_rules.toolkit.detector import Detector

_LONGEST_PAST = 35 * DAY
_STEP = 6 * HOUR
_COUNTED = (
    ("events", catalog.EVENTS),
    ("payments tried", catalog.CHARGE_ATTEMPTS),
    ("payments failed", catalog.CHARGE_FAILURES),
)
_HIDDEN = frozenset({"__name__", "tenant", "threshold_profile"})


def lines(
    prometheus: Prometheus, tenants: Tenants, name: str, tenant: str, settings: build.Settings, at: int
) -> list[str]:
    """Return what a Prometheus knows of a tenant's detector at a moment; raises BillingWatchError."""
    own = f"job={quoted(settings.job)},tenant={quoted(tenant)}"
    created = f"{catalog.TENANT_CREATED.name}{{{own}}}"
    known = prometheus.range(
        f"max(last_over_time({created}[{duration(_STEP)}]))", at - _LONGEST_PAST, at, _STEP
    )
    if not known or at - int(known[0]["values"][-1][0]) >= _STEP:
        raise BillingWatchError(
            f"{prometheus.shown}: has nothing of tenant {tenant} and job {settings.job} now; give the Prometheus that "
            "scrapes the exporter, and its --job"
        )
    known_at, since_at = int(known[0]["values"][0][0]), int(float(known[0]["values"][-1][1]))
    found = [f"What Prometheus has of {tenant}", "", *_past(prometheus, own, since_at, known_at, at)]
    compared = weeks(thresholds(tenants, tenant, name), at - known_at)
    if compared is not None:
        found.append(f"  compared with: {compared} week{'s' * (compared != 1)} of past")
    profile = next((one for one in profiles(tenants, name) if tenant in one.tenants), None)
    if profile is None:
        return [*found, "", "It is off: nothing of this tenant fires."]
    level = _level(prometheus, DETECTORS[name], profile, settings, tenant, at)
    if not level:
        return [
            *found,
            "",
            "Prometheus has recorded no level of this detector: its rules are not loaded there, or the past that they "
            "need is not there yet. To judge it without them: bw-rules backtest --since 1h "
            f"--tenant {tenant} --detector {name}",
        ]
    usual = list(_usual(prometheus, DETECTORS[name], profile, settings, tenant, at))
    return [*found, "", *level, *usual, "", *_firing(prometheus, name, profile, settings, tenant, at)]


def _past(prometheus: Prometheus, own: str, since_at: int, known_at: int, at: int) -> Iterator[str]:
    more = " or more" if at - known_at > _LONGEST_PAST - _STEP else ""
    yield (
        f"  watched since: {datetime.fromtimestamp(since_at, UTC):%Y-%m-%d}, of which Prometheus knows "
        f"{(at - known_at) / DAY:.0f} days{more}"
    )
    back_at = max(known_at, at - 28 * DAY)
    for what, family in _COUNTED:
        series = f"sum(max without (instance) (last_over_time({family.name}{{{own}}}[{duration(HOUR)}])))"
        now, then = (prometheus.instant(series, moment) for moment in (at, back_at))
        if now:
            grew = _value(now[0]) - (_value(then[0]) if then else 0)
            yield f"  {what} in the last {(at - back_at) / DAY:.0f} days: {grew:,.0f}"


def _level(
    prometheus: Prometheus,
    detector: Detector,
    profile: Profile,
    settings: build.Settings,
    tenant: str,
    at: int,
) -> list[str]:
    """Return a table of what is counted now and the level, for each window and currency."""
    level = detector.threshold(profile.settings, profile.scope(settings.job)).name
    levels = _of_tenant(prometheus, level, tenant, at)
    now = {
        _shown(one["metric"]): _value(one)
        for one in _of_tenant(prometheus, _counted(detector, level), tenant, at)
    }
    if not levels:
        return []
    rows = [("", "now", detector.panel.fires if detector.panel else "fires from")]
    for one in levels:
        labels = _shown(one["metric"])
        rows.append((labels, f"{now[labels]:.6g}" if labels in now else "unknown", f"{_value(one):.6g}"))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _counted(detector: Detector, level: str) -> str:
    """Return the name of what is compared with the level."""
    if detector.panel is None:
        return level.replace(":threshold", ":delta")
    pattern = re.sub(r"\\\$([a-z]+)", r"(?P<\1>.*)", re.escape(detector.panel.level))
    found = re.fullmatch(pattern, level)
    words = found.groupdict() if found else {}
    return detector.panel.filled(detector.panel.value, lambda word: words.get(word, ""))


def _usual(
    prometheus: Prometheus,
    detector: Detector,
    profile: Profile,
    settings: build.Settings,
    tenant: str,
    at: int,
) -> Iterator[str]:
    scope = profile.scope(settings.job)
    names = [one.name for one in detector.habits(profile.settings, scope) if ":usual" in one.name]
    found = [one for name in names for one in _of_tenant(prometheus, name, tenant, at)]
    if found:
        yield from ("", "  usual, as it is recorded")
    for one in found:
        labels = _shown(one["metric"])
        yield f"  {one['metric'].get('__name__', '')}{f' {labels}' if labels else ''}: {_value(one):.6g}"


def _firing(
    prometheus: Prometheus, name: str, profile: Profile, settings: build.Settings, tenant: str, at: int
) -> list[str]:
    """Return the description of whatever holds now."""
    alert = build.alert(name, DETECTORS[name], profile, settings)
    holds = [one for one in prometheus.instant(alert.expr, at) if one["metric"].get("tenant") == tenant]
    active = prometheus.instant(f"ALERTS{{alertname={quoted(alert.name)},tenant={quoted(tenant)}}}", at)
    firing = any(one["metric"]["alertstate"] == "firing" for one in active)

    def ask(query: str) -> Sequence[template.Sample]:
        return [template.Sample(one["metric"], _value(one)) for one in prometheus.instant(query, at)]

    if not holds:
        return [
            f"{alert.name} goes on for {duration(alert.keep_firing_for)}."
            if firing
            else f"{alert.name} is quiet."
        ]
    state = "fires" if firing else f"would fire after {duration(alert.for_)}" if alert.for_ else "would fire"
    found = [f"{alert.name} {state}:"]
    for one in holds:
        labels = {**dict(alert.labels), **one["metric"]}
        try:
            text = template.expand(dict(alert.annotations)["description"], labels, _value(one), ask)
        except template.UnknownTemplateError:
            text = dict(alert.annotations)["summary"]
        found.append(f"  {text}")
    return found


def _of_tenant(prometheus: Prometheus, name: str, tenant: str, at: int) -> list[dict[str, Any]]:
    """Return the series of a recording, which may be as old as one of every five minutes."""
    query = f"{name}{{tenant={quoted(tenant)}}}"
    return sorted(prometheus.instant(query, at), key=lambda one: _shown(one["metric"]))


def _shown(labels: Mapping[str, str]) -> str:
    return ", ".join(f"{key} {value}" for key, value in sorted(labels.items()) if key not in _HIDDEN)


def _value(series: Mapping[str, Any]) -> float:
    return float(series["value"][1])
