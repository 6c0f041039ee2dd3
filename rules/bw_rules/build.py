"""From tenants to rule groups: one group for each detector, one for the watchdog itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bw_rules import watchdog
from bw_rules.detectors import DETECTORS
from bw_rules.profiles import Profile, profiles
from bw_rules.promql import Recording, Scope
from bw_rules.rule import Alert, Group

if TYPE_CHECKING:
    from bw_exporter.tenants import Tenants
    from bw_rules.detector import Detector

JOB = "billing-exporter"
RUNBOOK_BASE = "https://github.com/billingwatch/billingwatch-exporter/blob/main/docs/runbooks"
DASHBOARD_BASE = "http://localhost:3000/d"
DASHBOARD_UID = "billingwatch-tenant"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the rules are made for: the exporter's job in Prometheus, and where people are sent to read."""

    job: str = JOB
    runbook_base: str = RUNBOOK_BASE
    dashboard_base: str = DASHBOARD_BASE


def groups(tenants: Tenants, settings: Settings) -> tuple[Group, ...]:
    """Return every group, detectors by name and the watchdog last; the same input gives the same output."""
    reach = max(detector.reach(tenants.default_detectors[name]) for name, detector in DETECTORS.items())
    return (
        *(_group(name, detector, tenants, settings) for name, detector in DETECTORS.items()),
        watchdog.group(settings.job, settings.runbook_base, settings.dashboard_base, reach),
    )


def detector_of(group: str) -> str:
    """Return the detector (or `watchdog`) that a group belongs to."""
    return group.partition(".")[2]


def _group(name: str, detector: Detector, tenants: Tenants, settings: Settings) -> Group:
    found = profiles(tenants, name)
    everyone = Scope(settings.job)
    recordings: dict[str, Recording] = {}
    for profile in found:
        for recording in detector.recordings(profile.settings, everyone):
            recordings.setdefault(recording.name, recording)
    levels = (_threshold(detector, profile, settings.job) for profile in found)
    alerts = (alert(name, detector, profile, settings) for profile in found)
    return Group(f"billingwatch.{name}", (*recordings.values(), *levels, *alerts))


def _threshold(detector: Detector, profile: Profile, job: str) -> Recording:
    level = detector.threshold(profile.settings, profile.scope(job))
    return Recording(level.name, level.expr, (("threshold_profile", profile.name),))


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
        annotations["findings"] = "bw-exporter findings --tenant {{ $labels.tenant }}"
    return Alert(
        detector.alert,
        detector.condition(chosen, profile.scope(settings.job)),
        tuple(labels.items()),
        tuple(annotations.items()),
        chosen.for_,
        chosen.keep_firing_for,
    )
