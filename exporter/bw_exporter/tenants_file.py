"""tenants.yaml with the thresholds of every detector: the one place where the exporter asks the rules for something."""

from __future__ import annotations

from bw_exporter.config import tenants
from bw_exporter.config.tenants import Tenants
from bw_rules.detectors import THRESHOLDS

__all__ = ["THRESHOLDS", "load"]


def load(path: str, *, allow_secret_key: bool = True) -> Tenants:
    """Read a tenants.yaml; raises ConfigError, which holds every mistake.

    Who uses API keys says whether one that could move money is allowed.
    """
    return tenants.load(path, detectors=THRESHOLDS, allow_secret_key=allow_secret_key)
