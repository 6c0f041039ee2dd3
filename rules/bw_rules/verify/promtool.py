"""From the detectors' cases to a unit test file for promtool.

Every case gets a tenant of its own that has the thresholds in force of one profile; cases of one time grid
share one test, since promtool evaluates 8 days once for all of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bw_exporter.config.durations import render as duration
from bw_exporter.config.tenants import CatchUp, RateLimit, Tenant, Tenants
from bw_exporter.metrics import catalog
from bw_rules.detectors import DETECTORS
from bw_rules.groups.profiles import Pasts, profiles
from bw_rules.groups.rule import Alert, Group
from bw_rules.toolkit.cases import ALWAYS, DAY, HOUR, MINUTE, Case, Series, Steps

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bw_exporter.config.shape import Past
    from bw_rules.toolkit.promql import Recording
    from bw_rules.toolkit.thresholds import Base

_COARSE, _FINE = 10 * MINUTE, MINUTE
_LONGEST_FINE = 2 * DAY
_CURRENCIES = ("eur", "usd")
_RECORDED = re.compile(r"\b[a-z]+:[a-z0-9_]+:[a-z0-9_]+")
_NOT_AN_ID = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Trial:
    """One case for one profile, played by a tenant made for it."""

    detector: str
    tenant: Tenant
    case: Case


def trials(tenants: Tenants) -> tuple[Trial, ...]:
    """Return every case of every detector for all thresholds in force.

    `for` and `keep_firing_for` are set aside: they are Prometheus' to hold, and would blur the edges.
    """
    found = []
    defaults = _defaults(tenants)
    for name, detector in DETECTORS.items():
        distinct = {profile.settings: profile.name for profile in reversed(profiles(tenants, name))}
        for settings, profile in distinct.items():
            chosen = _at_once(settings)
            for case in detector.cases(chosen):
                title = _NOT_AN_ID.sub("-", f"{detector.alert[7:].lower()} {profile} {case.name}")
                found.append(Trial(name, _tenant(title, {**defaults, name: chosen}, chosen), case))
    return tuple(found)


def cast(found: Iterable[Trial], tenants: Tenants) -> Tenants:
    """Return a tenants file of the trials' tenants alone and the defaults of `tenants`, to render the rules from."""
    return Tenants(
        tuple(sorted((trial.tenant for trial in found), key=lambda tenant: tenant.id)),
        receivers={},
        source="cases",
        default_detectors=_defaults(tenants),
        default_past=tenants.default_past,
        default_catch_up=tenants.default_catch_up,
    )


def that_fire(groups: Sequence[Group]) -> list[Group]:
    """Return the groups without the recordings that no alert reads: those are for dashboards."""
    rules = [rule for group in groups for rule in group.rules]
    kept: list[Recording | Alert] = [rule for rule in rules if isinstance(rule, Alert)]
    for rule in kept:  # grows meanwhile, by what is read
        read = set(_RECORDED.findall(rule.expr))
        kept += [other for other in rules if other.name in read and other not in kept]
    found = (Group(group.name, tuple(rule for rule in group.rules if rule in kept)) for group in groups)
    return [group for group in found if group.rules]


def counters_first(groups: Sequence[Group]) -> list[Group]:
    """Return the groups with what is counted now in a group of its own before all others.

    promtool evaluates every group once a step, and a step may be an hour: a habit would find no counter of the last
    five minutes, which are a minute old where Prometheus runs.
    """
    found = []
    for group in groups:
        first = [rule for rule in group.rules if rule.name.endswith((":max", ":lost", ":now"))]
        if first:
            found.append(Group(f"{group.name}.counters", tuple(first)))
    rest = [
        Group(
            group.name,
            tuple(rule for rule in group.rules if not rule.name.endswith((":max", ":lost", ":now"))),
        )
        for group in groups
    ]
    return [*found, *(group for group in rest if group.rules)]


def unit_tests(
    found: Sequence[Trial], rule_file: str, group_names: Sequence[str], job: str
) -> dict[str, dict[str, Any]]:
    """Return promtool's test files for `rule_file`, by file name, one for each step of evaluation.

    Days are evaluated every 10 minutes, which takes seconds where every minute would take a quarter of an
    hour. The order of groups is given, or promtool would evaluate them in any.
    """
    tests: dict[int, dict[Steps, list[Trial]]] = {}
    for trial in found:
        grid = _grid(trial)
        tests.setdefault(grid, {}).setdefault(trial.case.up, []).append(trial)
    return {
        f"every_{duration(grid)}.test.yml": {
            "rule_files": [rule_file],
            "evaluation_interval": duration(grid),
            "group_eval_order": list(group_names),
            "tests": [_test(grid, up, played, job) for up, played in by_up.items()],
        }
        for grid, by_up in tests.items()
    }


def _grid(trial: Trial) -> int:
    """Seconds between two evaluations: as many as the case allows, so that weeks take seconds."""
    if trial.case.every:
        return trial.case.every
    return _FINE if trial.case.fine and _told(trial) <= _LONGEST_FINE else _COARSE


def _test(grid: int, up: Steps, played: list[Trial], job: str) -> dict[str, Any]:
    now = -(-(max(_span(trial) for trial in played) + 2 * HOUR) // grid) * grid
    shared = [Series("up", up)]
    shared += [
        Series(catalog.CURRENCY_MINOR_UNITS.name, ((ALWAYS, 100),), f'currency="{code}"')
        for code in _CURRENCIES
    ]
    series = [_input(one, "", now, grid, job) for one in shared]
    for trial in played:
        series += [_input(one, trial.tenant.id, now, grid, job) for one in _series(trial.case)]
    return {
        "interval": f"{grid}s",
        "input_series": series,
        "promql_expr_test": [_expectation(trial, now) for trial in played],
    }


def _expectation(trial: Trial, now: int) -> dict[str, Any]:
    alert = DETECTORS[trial.detector].alert
    fires = [{"labels": f'{{alertname="{alert}"}}', "value": 1}] if trial.case.outcome == "fires" else []
    selector = f'alertstate="firing",detector!="watchdog",tenant="{trial.tenant.id}"'
    return {
        "expr": f"count by (alertname) (ALERTS{{{selector}}})",
        "eval_time": f"{now}s",
        "exp_samples": fires,
    }


def _series(case: Case) -> tuple[Series, ...]:
    """The case's own series and those that every tenant has."""
    about = [Series(catalog.TENANT_CREATED.name, ((ALWAYS, case.created),), timestamps=True)]
    if case.last_event is not None:
        about.append(Series(catalog.LAST_EVENT.name, ((ALWAYS, case.last_event),), timestamps=True))
    return (*case.series, *about)


def _input(series: Series, tenant: str, now: int, grid: int, job: str) -> dict[str, str]:
    labels = [f'job="{job}"', f'instance="{series.instance}"']
    labels += [f'tenant="{tenant}"'] if tenant else []
    labels += [series.labels] if series.labels else []
    return {
        "series": f"{series.metric}{{{','.join(labels)}}}",
        "values": _values(series, now, grid),
    }


def _values(series: Series, now: int, grid: int) -> str:
    """Return the steps in promtool's notation, one value for each point of the grid up to `now`."""
    points = now // grid + 1
    starts = [max(0, -(-(now - before) // grid)) for before, _ in series.steps]
    ends = [*starts[1:], points]
    parts = [f"_x{starts[0]}"] if starts[0] else []
    for (_, value), start, end in zip(series.steps, starts, ends, strict=True):
        if end <= start:
            continue
        if value is None:
            parts.append(f"_x{end - start}")
        else:
            shown = now - value if series.timestamps and value else value
            parts.append(f"{shown}+0x{end - start - 1}")
    return " ".join(parts)


def _span(trial: Trial) -> int:
    """Seconds of history that the case has, or for days of history its detector looks back on."""
    settings = Pasts().of_tenant(trial.tenant, trial.detector)
    reach = DETECTORS[trial.detector].reach(settings)
    return _told(trial) if _own_history(trial.case) or _grid(trial) == _FINE else max(reach, _told(trial))


def _own_history(case: Case) -> bool:
    return bool(case.every) and not case.reach


def _told(trial: Trial) -> int:
    """Seconds of history that the case has."""
    case = trial.case
    times = [before for one in case.series for before, _ in one.steps] + [before for before, _ in case.up]
    times += [case.created, case.last_event or 0]
    return max(before for before in times if before < ALWAYS)


def _defaults(tenants: Tenants) -> dict[str, Base]:
    return {name: _at_once(settings) for name, settings in tenants.default_detectors.items()}


def _at_once(settings: Base) -> Base:
    return settings.model_copy(update={"for_": 0, "keep_firing_for": 0})


def _tenant(title: str, detectors: Mapping[str, Base], chosen: Base) -> Tenant:
    past: Past = "2w" if chosen.weeks == 2 else "4w"  # noqa: PLR2004 - two weeks
    catch_up = CatchUp(after_seconds=chosen.old_seconds)
    return replace(
        _BLANK, id=title, name=title, path=title, detectors=detectors, past=past, catch_up=catch_up
    )


_BLANK = Tenant("", "", "live", "", (), RateLimit(), "charge", {}, (), {})
