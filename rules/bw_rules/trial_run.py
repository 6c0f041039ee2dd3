"""Runs the detectors' cases in promtool and says which of them did not come out."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from bw_exporter.errors import BillingWatchError
from bw_rules import build, promtool, tools
from bw_rules.render import prometheus
from bw_rules.render.yaml_text import dump

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bw_exporter.tenants import Tenants
    from bw_rules.build import Settings

RULES = "cases.rules.yml"


def run(
    tenants: Tenants,
    settings: Settings,
    folder: Path,
    *,
    only: str | None = None,
    change: Callable[[str], str] = str,
) -> tuple[bool, list[str]]:
    """Return (whether all cases came out, lines to print).

    `only` names one detector; `change` may alter the rendered rules first, to see that the cases notice. Raises
    BillingWatchError where there is no promtool.
    """
    tool = tools.find("promtool")
    if tool is None:
        raise BillingWatchError(
            "promtool is not on PATH; install Prometheus, or run make tools, or set PROMTOOL to its path"
        )
    found = [trial for trial in promtool.trials(tenants) if only in (None, trial.detector)]
    groups = [
        group
        for group in build.groups(promtool.cast(found), settings)
        if only in (None, build.detector_of(group.name))
    ]
    (folder / RULES).write_text(change(prometheus.render(groups, tenants.source)), encoding="utf-8")
    names = [group.name for group in groups]
    files = promtool.unit_tests(found, RULES, names, settings.job)
    for name, document in files.items():
        (folder / name).write_text(dump(document, tenants.source), encoding="utf-8")
    with ThreadPoolExecutor() as pool:
        results = list(pool.map(lambda name: tools.run(tool, "test", "rules", name, folder=folder), files))
    if not any(code for code, _ in results):
        return True, [f"{tenants.source}: {len(found)} cases: ok"]
    said = "\n".join(text for code, text in results if code)
    wrong = set(re.findall(r'tenant=\\?"([^"\\]+)', said))
    lines = [
        f"{trial.detector}: {trial.case.name}: should have been {_should(trial.case.outcome)}"
        for trial in found
        if trial.tenant.id in wrong
    ]
    return False, lines or said.splitlines()


def _should(outcome: str) -> str:
    return "firing" if outcome == "fires" else "quiet"
