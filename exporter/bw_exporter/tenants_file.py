"""tenants.yaml with the thresholds of every detector: the one place where the exporter asks the rules for something."""

from __future__ import annotations

from bw_exporter.config import tenants
from bw_exporter.config.tenants import Tenants
from bw_rules.detectors import THRESHOLDS

__all__ = ["THRESHOLDS", "load"]


def load(path: str) -> Tenants:
    """Read a tenants.yaml; raises ConfigError, which holds every mistake."""
    return tenants.load(path, detectors=THRESHOLDS)
