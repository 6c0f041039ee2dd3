"""Thresholds in force, where each comes from, and what becomes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bw_exporter.config import durations
from bw_rules import build, reference
from bw_rules.detectors import DETECTORS, THRESHOLDS
from bw_rules.profiles import DEFAULT, profiles
from bw_rules.runbooks import runbook
from bw_rules.thresholds import Bounded, DurationBetween

if TYPE_CHECKING:
    from bw_exporter.tenants import Tenants
    from bw_rules.profiles import Profile
    from bw_rules.thresholds import Base


def listing(tenants: Tenants) -> list[str]:
    """Return each detector with its default thresholds, and the tenants that have others."""
    lines = []
    for name, detector in DETECTORS.items():
        settings = tenants.default_detectors[name]
        lines.append(f"{name}: {detector.summary}")
        lines.append(f"  default: {_in_one_line(settings)}")
        lines.extend(
            f"  {', '.join(profile.tenants)}: {_difference(profile.settings, settings)}"
            for profile in profiles(tenants, name)
            if profile.name != DEFAULT
        )
        off = [tenant.id for tenant in tenants.all if not tenant.detectors[name].enabled]
        if off:
            lines.append(f"  {', '.join(off)}: off")
    return lines


def explanation(tenants: Tenants, name: str, tenant: str | None, settings: build.Settings) -> list[str]:
    """Return one detector's thresholds and their origin, its rules and its runbook."""
    detector = DETECTORS[name]
    mine = tenants.by_id[tenant].detectors[name] if tenant else tenants.default_detectors[name]
    lines = [f"{name}: {detector.summary}", "", "Thresholds" + (f" of {tenant}" if tenant else "")]
    rows = [
        (key, shown(mine, key), _origin(tenants, name, tenant, key), reference.meaning(THRESHOLDS[name], key))
        for key in keys(mine)
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        cells = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False))
        lines.append(f"  {cells}  {row[3]}")
    found = next((p for p in profiles(tenants, name) if _covers(p, tenant)), None)
    if found is None:
        return [*lines, "", "It is off: no rule covers this."]
    scope = found.scope(settings.job)
    lines += ["", f"Alert {detector.alert}, threshold_profile {found.name}", ""]
    lines += _block(build.alert(name, detector, found, settings).expr)
    lines += ["", "The level at which it fires", ""]
    level = detector.threshold(found.settings, scope)
    lines += [f"  # {level.name}", *_block(level.expr), "", "What it reads", ""]
    for recording in detector.recordings(found.settings, scope.everyone):
        lines += [f"  # {recording.name}", *_block(recording.expr)]
    return [*lines, "", *runbook(detector.alert, detector.summary, detector.runbook).splitlines()[2:]]


def keys(settings: Base) -> list[str]:
    """Return the settings' names as tenants.yaml has them."""
    return [field.alias or name for name, field in type(settings).model_fields.items()]


def shown(settings: Base, key: str) -> str:
    """Return a setting as people write it."""
    for name, field in type(settings).model_fields.items():
        if key in (name, field.alias):
            return value_text(getattr(settings, name), _kind(field.metadata))
    raise KeyError(key)


def value_text(value: object, kind: Bounded | None) -> str:
    """Return a value as tenants.yaml would have it."""
    if isinstance(kind, DurationBetween) and isinstance(value, int):
        return durations.render(value) if value else "0"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _kind(metadata: list[Any]) -> Bounded | None:
    return next((item for item in metadata if isinstance(item, Bounded)), None)


def _covers(profile: Profile, tenant: str | None) -> bool:
    return profile.name == DEFAULT if tenant is None else tenant in profile.tenants


def _origin(tenants: Tenants, name: str, tenant: str | None, key: str) -> str:
    default = tenants.default_detectors[name]
    if tenant and shown(tenants.by_id[tenant].detectors[name], key) != shown(default, key):
        return f"tenants.{tenant}"
    field = next(n for n, f in type(default).model_fields.items() if key in (n, f.alias))
    return "defaults" if field in default.model_fields_set else "built in"


def _in_one_line(settings: Base) -> str:
    return ", ".join(f"{key} {shown(settings, key)}" for key in keys(settings))


def _difference(settings: Base, default: Base) -> str:
    changed = [key for key in keys(settings) if shown(settings, key) != shown(default, key)]
    return ", ".join(f"{key} {shown(settings, key)}" for key in changed) or "labels of their own"


def _block(text: str) -> list[str]:
    return [f"  {line}" for line in text.splitlines()]
