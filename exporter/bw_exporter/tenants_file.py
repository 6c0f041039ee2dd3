"""tenants.yaml with the thresholds of every detector: the one place where the exporter asks the rules for something."""

from __future__ import annotations

import logging

from bw_exporter.config import tenants
from bw_exporter.config.tenants import Tenants
from bw_rules.detectors import THRESHOLDS

_log = logging.getLogger(__name__)

__all__ = ["THRESHOLDS", "load"]


def load(path: str) -> Tenants:
    """Read a tenants.yaml, and warn of keys that have no effect; raises ConfigError, which holds every mistake."""
    found = tenants.load(path, detectors=THRESHOLDS)
    for one in found.unread:
        _log.warning("a key of %s has no effect: %s: %s", path, one.path, one.message)
    return found
