"""The pages that alerts link to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bw_rules.detectors import DETECTORS
from bw_rules.groups import exporter_alerts, missing_history
from bw_rules.groups.build import JOB
from bw_rules.toolkit.rise import ONE_TENANT

_PASTE = "Paste the queries into Prometheus or Grafana, with the alert's tenant in place of `…`."

if TYPE_CHECKING:
    from bw_rules.toolkit.detector import Runbook


def pages() -> dict[str, str]:
    """Return every runbook by its file's name."""
    found = {one.alert: (one.summary, one.runbook) for one in DETECTORS.values()}
    about_itself = (*exporter_alerts.alerts(JOB), missing_history.missing(JOB, missing_history.USUAL))
    found |= {one.name: (one.summary, one.runbook) for one in about_itself}
    return {f"{alert}.md": runbook(alert, *parts) for alert, parts in found.items()}


def runbook(alert: str, summary: str, parts: Runbook) -> str:
    """Return one page."""
    paste = f"{_PASTE}\n\n" if ONE_TENANT in parts.first else ""
    return (
        f"# {alert}\n\n"
        f"{summary}\n\n"
        f"## Meaning\n\n{parts.meaning}\n\n"
        f"## Impact\n\n{parts.impact}\n\n"
        f"## What to look at first\n\n{paste}{parts.first}\n\n"
        f"## How to tune\n\n{parts.tune}\n"
    )
