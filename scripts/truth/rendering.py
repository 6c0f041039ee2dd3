"""The rules that are judged: those that a tenants.yaml of the fleet's shops gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from bw_exporter.config import tenants
from bw_rules.detectors import THRESHOLDS
from bw_rules.groups import build
from bw_rules.render import prometheus
from bw_rules.toolkit.thresholds import Weighed
from bw_simulator.fleet.past import Fleet

Groups = list[dict[str, Any]]

_FIXED_SILENCE = "6h"
"""`fixed` is for those who want thresholds alone; that of silence is a duration of its own."""


def rendered(fleet: Fleet, folder: Path, *, past: str, sensitivity: str) -> Groups:
    """Return the groups that this version renders for the fleet with default thresholds; raises ConfigError."""
    file = folder / "tenants.yaml"
    file.write_text(yaml.safe_dump(_tenants(fleet, past, sensitivity)), encoding="utf-8")
    found = tenants.load(str(file), detectors=THRESHOLDS, read_secrets=False)
    text = prometheus.render(build.groups(found, build.Settings()), "the fleet")
    groups: Groups = yaml.safe_load(text)["groups"]
    return groups


def _tenants(fleet: Fleet, past: str, sensitivity: str) -> dict[str, Any]:
    detectors = {
        name: {"sensitivity": sensitivity} for name, model in THRESHOLDS.items() if issubclass(model, Weighed)
    }
    if sensitivity == "fixed":
        detectors["silent_lapse"] = {"max_silence": _FIXED_SILENCE}
    return {
        "defaults": {"past": past, "detectors": detectors},
        "tenants": {
            shop.name: {"webhook_secret": "whsec_" + "a" * 24, "timezone": shop.timezone}
            for shop in fleet.shops
        },
    }
