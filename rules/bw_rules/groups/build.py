"""From tenants to rule groups: one group for each detector, one for the exporter alerts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bw_exporter import DOCS_URL
from bw_rules.detectors import DETECTORS
from bw_rules.groups import exporter_alerts, missing_history
from bw_rules.groups.profiles import Profile, profiles
from bw_rules.groups.rule import SLOW_INTERVAL_SECONDS, Alert, Group
from bw_rules.toolkit.promql import Recording, Scope, quoted, tenants_matcher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from bw_exporter.config.tenants import Tenants
    from bw_rules.toolkit.detector import Detector

JOB = "billing-exporter"
RUNBOOK_BASE = f"{DOCS_URL}/runbooks"
DASHBOARD_BASE = "http://localhost:3000/d"
DASHBOARD_UID = "billingwatch-tenant"
EXPORTER_BASE = "http://localhost:9847"
"""Where a link leads while Prometheus can scrape no exporter, whose address it then does not know."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the rules are made for: the exporter's job in Prometheus, and where people are sent to read.

    `exporter_base` is the private listener's address for people; where it is empty, links lead to the address
    at which Prometheus scrapes it.
    """

    job: str = JOB
    runbook_base: str = RUNBOOK_BASE
    dashboard_base: str = DASHBOARD_BASE
    exporter_base: str = ""


def groups(tenants: Tenants, settings: Settings, at_most: int | None = None) -> tuple[Group, ...]:
    """Return every group, detectors by name and the exporter alerts last; the same input gives the same output.

    `at_most` is how many rules a group may hold, where there is such a limit; what does not fit is split. Only the
    rulers of Mimir and Cortex have one, and those do not tell their tenants of failed evaluations.
    """
    found = [
        group
        for name, detector in DETECTORS.items()
        for group in _groups(name, detector, tenants, settings, at_most)
        if group.rules  # a detector that is off for all has none, and Mimir refuses a group without
    ]
    about_itself = exporter_group(settings, tenants)
    if at_most is not None:
        told = [rule for rule in about_itself.rules if rule.name != exporter_alerts.EVALUATION_FAILURES]
        about_itself = Group(about_itself.name, tuple(told))
    return (*found, *_split(about_itself, at_most))


def exporter_group(settings: Settings, tenants: Tenants) -> Group:
    """Return the group of the exporter alerts."""
    of_tenants = [missing_history.missing(settings.job, reach) for reach in missing_history.reaches(tenants)]
    labels = sorted(tenants.default_labels.items())
    return exporter_alerts.group(
        settings.job, settings.runbook_base, settings.dashboard_base, of_tenants, labels
    )


def detector_of(group: str) -> str:
    """Return the detector that a group belongs to; for the exporter alerts, `watchdog`."""
    return group.split(".")[1]


def _groups(
    name: str, detector: Detector, tenants: Tenants, settings: Settings, at_most: int | None
) -> Iterator[Group]:
    """Yield the detector's groups: of habits, every five minutes, and of all that reads them, every minute.

    Where one would be too large there are several, each with all that is recorded of its own tenants. Were alerts to
    read what another group records now, they would see one counter of this minute beside another of the last. Habits
    are read with a bridge of some minutes, and read counters as they were hours ago, so that they may stand apart.
    """
    parts = _parts(detector, profiles(tenants, name), at_most)
    for number, part in enumerate(parts):
        here = sorted(tenant for profile in part for tenant in profile.tenants)
        later = sorted(tenant for other in parts[1:] for profile in other for tenant in profile.tenants)
        matcher = tenants_matcher(here) if number else tenants_matcher(later, negative=True)
        scope, of_all = Scope(settings.job, matcher), Scope(settings.job) if number else None
        suffix = f".{number + 1}" if number else ""
        habits = _recorded(detector.habits, part, scope, of_all)
        drawn = _recorded(detector.drawn, part, scope, of_all)
        recordings = _recorded(detector.recordings, part, scope, of_all)
        for profile in part:
            level = _threshold(detector, profile, settings.job)
            (drawn or (habits if profile.settings.reads_past else recordings)).append(level)
        alerts = (alert(name, detector, profile, settings) for profile in part)
        yield from _slow(f"billingwatch.{name}.habit{suffix}", habits, at_most)
        yield Group(f"billingwatch.{name}{suffix}", (*recordings, *alerts))
        yield from _slow(f"billingwatch.{name}.drawn{suffix}", drawn, at_most)


def _slow(title: str, rules: list[Recording], at_most: int | None) -> Iterator[Group]:
    """Yield groups of what is recorded every five minutes; each reads others with a bridge, so that any cut will do."""
    size = at_most or max(len(rules), 1)
    for number, start in enumerate(range(0, len(rules), size)):
        letter = f"{chr(ord('a') + number)}" if number else ""
        yield Group(title + letter, tuple(rules[start : start + size]), SLOW_INTERVAL_SECONDS)


def _recorded(
    made_of: Callable[[Any, Scope], tuple[Recording, ...]],
    part: Sequence[Profile],
    scope: Scope,
    of_all: Scope | None,
) -> list[Recording]:
    """Return what a part records; what is recorded of no tenant at all, only where `of_all` is None."""
    found = _recordings(made_of, part, scope)
    if of_all is None:
        return found
    first = set(_recordings(made_of, part, of_all))
    return [one for one in found if one not in first]


def _parts(detector: Detector, found: Sequence[Profile], at_most: int | None) -> list[list[Profile]]:
    """Return the profiles as they share groups: all together, or as many as fit."""
    if at_most is None:
        return [list(found)]
    parts: list[list[Profile]] = [[]]
    names: set[str] = set()
    rules = 0
    for profile in found:
        own = {recording.name for recording in detector.recordings(profile.settings, Scope(""))}
        more = 1 if profile.settings.reads_past else 2
        if parts[-1] and len(names | own) + rules + more > at_most:
            parts.append([])
            names, rules = set(), 0
        parts[-1].append(profile)
        names |= own
        rules += more
    return parts


def _recordings(
    made_of: Callable[[Any, Scope], tuple[Recording, ...]], part: Iterable[Profile], scope: Scope
) -> list[Recording]:
    made: dict[str, Recording] = {}
    for profile in part:
        for recording in made_of(profile.settings, scope):
            made.setdefault(recording.name, recording)
    return list(made.values())


def _split(group: Group, at_most: int | None) -> Iterator[Group]:
    """Split the group of the exporter alerts: each reads at most one recording, so it is a minute late at most."""
    size = at_most or len(group.rules)
    for number, start in enumerate(range(0, len(group.rules), size)):
        yield Group(group.name + (f".{number + 1}" if number else ""), group.rules[start : start + size])


def _threshold(detector: Detector, profile: Profile, job: str) -> Recording:
    level = detector.threshold(profile.settings, profile.scope(job))
    return Recording(level.name, level.expr, (("threshold_profile", profile.name),))


def _scraped_at(job: str) -> str:
    """Return a template for the address at which Prometheus scrapes an exporter that is up."""
    query = quoted(f"up{{job={quoted(job)}}} == 1")
    return (
        f'{{{{ with query {query} }}}}http://{{{{ . | first | label "instance" }}}}'
        f"{{{{ else }}}}{EXPORTER_BASE}{{{{ end }}}}"
    )


def alert(name: str, detector: Detector, profile: Profile, settings: Settings) -> Alert:
    """Return the alerting rule of one profile."""
    chosen = profile.settings
    labels = {
        **dict(profile.labels),
        "severity": chosen.severity,
        "detector": name,
        "threshold_profile": profile.name,
    }
    query = "&".join(f"var-{label}={{{{ $labels.{label} }}}}" for label in detector.labels)
    annotations = {
        "summary": detector.summary,
        "description": detector.description(chosen),
        "runbook_url": f"{settings.runbook_base.rstrip('/')}/{detector.alert}.md",
        "dashboard_url": f"{settings.dashboard_base.rstrip('/')}/{DASHBOARD_UID}?{query}",
    }
    if detector.findings:
        base = settings.exporter_base.rstrip("/") or _scraped_at(settings.job)
        annotations["findings"] = f"{base}/tenants/{{{{ $labels.tenant }}}}#findings"
    return Alert(
        detector.alert,
        detector.condition(chosen, profile.scope(settings.job)),
        tuple(labels.items()),
        tuple(annotations.items()),
        detector.rule_for(chosen),
        chosen.keep_firing_for,
    )
