"""What `deploy/kubernetes/example` ships rendered from its tenants.yaml, with the flags of docs/kubernetes.md."""

from __future__ import annotations

from pathlib import Path

from bw_exporter.config import tenants
from bw_rules.detectors import THRESHOLDS
from bw_rules.groups import build
from bw_rules.render import alertmanager, operator

DASHBOARD_BASE = "https://grafana.example.com/d"
ALERTMANAGER_VERSION = (0, 28)


def files(root: Path) -> dict[Path, str]:
    """Return the PrometheusRule and the routing by their paths."""
    folder = root / "deploy" / "kubernetes" / "example"
    example = tenants.load(str(folder / "tenants.yaml"), detectors=THRESHOLDS, read_secrets=False)
    groups = build.groups(example, build.Settings(dashboard_base=DASHBOARD_BASE))
    routing = alertmanager.routing(example, ALERTMANAGER_VERSION)
    return {
        folder / "rules.yaml": operator.render(groups, "tenants.yaml", "billingwatch", None, {}),
        folder / "alertmanager" / "alertmanager.yaml": alertmanager.render(routing, "tenants.yaml"),
    }
