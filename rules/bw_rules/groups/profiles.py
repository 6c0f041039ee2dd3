"""Tenants that share everything about a detector share a rule; this finds who shares what.

The default profile covers every tenant that overrides nothing, new ones too, by excluding those that do.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bw_rules.toolkit.promql import Scope, tenants_matcher
from bw_rules.toolkit.thresholds import Base

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bw_exporter.config.tenants import CatchUp, Tenant, Tenants

DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Profile:
    """Thresholds, severity, durations and labels of one rule, and the PromQL matcher of its tenants."""

    name: str
    settings: Base
    labels: tuple[tuple[str, str], ...]
    matcher: str
    tenants: tuple[str, ...]

    def scope(self, job: str) -> Scope:
        """Return the scope of this profile's rule."""
        return Scope(job, self.matcher)


def profiles(tenants: Tenants, detector: str) -> tuple[Profile, ...]:
    """Return the profiles of one detector that have a rule, the default first, the others by name.

    `tenants` of the default profile names those of the file that fall under it.
    """
    over = Pasts()
    default = over.of_defaults(tenants, detector)
    shared = _Shared()
    groups: dict[str, list[str]] = {}
    found: dict[str, tuple[Base, Mapping[str, str]]] = {}
    for tenant in tenants.all:
        settings = over.of_tenant(tenant, detector)
        same = settings is default or settings == default
        plain = same and tenant.labels == tenants.default_labels
        name = DEFAULT if plain else shared.name(settings, tenant.labels)
        groups.setdefault(name, []).append(tenant.id)
        found[name] = (settings, tenant.labels)
    covered = groups.pop(DEFAULT, [])
    others = sorted(tenant for ids in groups.values() for tenant in ids)
    result = []
    if default.enabled:
        labels = tuple(sorted(tenants.default_labels.items()))
        result.append(
            Profile(DEFAULT, default, labels, tenants_matcher(others, negative=True), tuple(covered))
        )
    for name, ids in sorted(groups.items()):
        settings, labels_of = found[name]
        if settings.enabled:
            labels = tuple(sorted(labels_of.items()))
            result.append(Profile(name, settings, labels, tenants_matcher(ids), tuple(ids)))
    return tuple(result)


class Pasts:
    """Thresholds of tenants together with their `past` and `catch_up.after`; equal ones are the same object."""

    def __init__(self) -> None:
        self._shared: dict[tuple[int, str, int], Base] = {}

    def of_tenant(self, tenant: Tenant, detector: str) -> Base:
        """Return a detector's thresholds as they are read for a tenant."""
        return self._read(tenant.detectors[detector], tenant.past, tenant.catch_up)

    def of_defaults(self, tenants: Tenants, detector: str) -> Base:
        """Return a detector's thresholds as they are read for tenants that override nothing."""
        return self._read(tenants.default_detectors[detector], tenants.default_past, tenants.default_catch_up)

    def _read(self, settings: Base, past: str, catch_up: CatchUp) -> Base:
        key = (id(settings), past, catch_up.after_seconds)
        if key not in self._shared:
            self._shared[key] = settings.of_tenant(int(past.removesuffix("w")), catch_up.after_seconds)
        return self._shared[key]


class _Shared:
    """Names of override profiles, computed once for each distinct pair of settings and labels."""

    def __init__(self) -> None:
        self._names: dict[tuple[int, int], str] = {}

    def name(self, settings: Base, labels: Mapping[str, str]) -> str:
        """Return a name that depends on the content alone, so that it stays when tenants come and go."""
        key = (id(settings), id(labels))
        if key not in self._names:
            content: list[object] = [settings.model_dump(mode="json", by_alias=True), sorted(labels.items())]
            if settings.reads_past and settings.weeks != Base.USUAL_WEEKS:
                content.append(settings.weeks)
            if settings.old_seconds != Base.USUAL_OLD_SECONDS:
                content.append(f"old {settings.old_seconds}s")
            digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
            self._names[key] = f"override-{digest[:12]}"
        return self._names[key]
