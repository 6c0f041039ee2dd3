"""The detectors, found by listing this package: a new file is a new detector, and nothing else changes."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bw_rules.toolkit.detector import Detector
    from bw_rules.toolkit.thresholds import Base

NAMES: tuple[str, ...] = tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))

_MODULES = {name: import_module(f"{__name__}.{name}") for name in NAMES}

THRESHOLDS: Mapping[str, type[Base]] = {name: module.Thresholds for name, module in _MODULES.items()}
"""The threshold model of each detector, by its name in tenants.yaml."""

DETECTORS: Mapping[str, Detector] = {name: module.DETECTOR for name, module in _MODULES.items()}
"""Each detector by its name."""

OFF_UNTIL_ASKED_FOR: frozenset[str] = frozenset(
    name for name, model in THRESHOLDS.items() if model.off_until_asked_for()
)
"""The detectors without a rule for tenants that do not say `enabled: true`."""
