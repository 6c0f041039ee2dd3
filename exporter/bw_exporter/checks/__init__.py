"""The checks: each a module of this package with NAME, FACTS, DETAILS, reads, observe and resolve (see check.Check)."""

from __future__ import annotations

import importlib
import pkgutil
from typing import cast

from bw_exporter.checks.check import Check


def _found() -> dict[str, Check]:
    modules = (importlib.import_module(f"{__name__}.{info.name}") for info in pkgutil.iter_modules(__path__))
    return {module.NAME: cast("Check", module) for module in modules if hasattr(module, "NAME")}


CHECKS = _found()
"""Every check by name; a new one is found by being here."""
