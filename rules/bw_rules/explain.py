"""Thresholds in force, where each comes from, and what becomes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bw_exporter.config import in_force
from bw_rules.detectors import DETECTORS
from bw_rules.groups import build
from bw_rules.groups.profiles import DEFAULT, profiles
from bw_rules.groups.runbooks import runbook

if TYPE_CHECKING:
    from bw_exporter.config.tenants import Tenants
    from bw_rules.groups.profiles import Profile
    from bw_rules.toolkit.thresholds import Base


def listing(tenants: Tenants) -> list[str]:
    """Return each detector with its default thresholds, and the tenants that have others."""
    lines = []
    for name, detector in DETECTORS.items():
        settings = tenants.default_detectors[name]
        lines.append(f"{name}: {detector.summary}")
        if settings.enabled:
            lines.append(f"  default: {_in_one_line(settings)}")
        else:
            lines.append(f"  off by default; where it is asked for (enabled: true): {_in_one_line(settings)}")
        lines.extend(
            f"  {', '.join(profile.tenants)}: {_difference(profile.settings, settings)}"
            for profile in profiles(tenants, name)
            if profile.name != DEFAULT
        )
        off = [tenant.id for tenant in tenants.all if not tenant.detectors[name].enabled]
        if off and settings.enabled:
            lines.append(f"  {', '.join(off)}: off")
    return lines


def explanation(tenants: Tenants, name: str, tenant: str | None, settings: build.Settings) -> list[str]:
    """Return one detector's thresholds and their origin, its rules and its runbook."""
    detector = DETECTORS[name]
    lines = thresholds(tenants, name, tenant)
    found = next((p for p in profiles(tenants, name) if _covers(p, tenant)), None)
    if found is None:
        ask = f"It is off: no rule covers this. {name}: {{enabled: true}} under `detectors` turns it on."
        return [*lines, "", ask]
    scope = found.scope(settings.job)
    lines += ["", f"Alert {detector.alert}, threshold_profile {found.name}", ""]
    lines += _block(build.alert(name, detector, found, settings).expr)
    lines += ["", "The level at which it fires", ""]
    level = detector.threshold(found.settings, scope)
    lines += [f"  # {level.name}", *_block(level.expr), "", "What it reads", ""]
    read = (detector.habits, detector.recordings, detector.drawn)
    for recording in (one for made_of in read for one in made_of(found.settings, scope.everyone)):
        lines += [f"  # {recording.name}", *_block(recording.expr)]
    return [*lines, "", *runbook(detector.alert, detector.summary, detector.runbook).splitlines()[2:]]


def thresholds(tenants: Tenants, name: str, tenant: str | None) -> list[str]:
    """Return one detector's thresholds, each with its origin and meaning."""
    summary = DETECTORS[name].summary
    lines = [f"{name}: {summary}", "", "Thresholds" + (f" of {tenant}" if tenant else "")]
    rows = [(one.key, one.value, one.origin, one.meaning) for one in in_force.settings(tenants, name, tenant)]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        cells = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False))
        lines.append(f"  {cells}  {row[3]}")
    return lines


def _covers(profile: Profile, tenant: str | None) -> bool:
    return profile.name == DEFAULT if tenant is None else tenant in profile.tenants


def _in_one_line(settings: Base) -> str:
    return ", ".join(f"{key} {in_force.shown(settings, key)}" for key in in_force.keys(settings))


def _difference(settings: Base, default: Base) -> str:
    changed = [
        key
        for key in in_force.keys(settings)
        if in_force.shown(settings, key) != in_force.shown(default, key)
    ]
    return ", ".join(f"{key} {in_force.shown(settings, key)}" for key in changed) or "labels of their own"


def _block(text: str) -> list[str]:
    return [f"  {line}" for line in text.splitlines()]
