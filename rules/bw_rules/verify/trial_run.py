"""Runs the detectors' cases in promtool and says which of them did not come out."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from bw_exporter.errors import BillingWatchError
from bw_rules.groups import build
from bw_rules.render import prometheus
from bw_rules.render.yaml_text import dump
from bw_rules.verify import promtool, tools

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bw_exporter.config.tenants import Tenants
    from bw_rules.groups.build import Settings
    from bw_rules.groups.rule import Group
    from bw_rules.verify.promtool import Trial

_AT_ONCE = 2
"""Runs of promtool side by side; each keeps about one core busy."""


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
    commands = []
    for detector in dict.fromkeys(trial.detector for trial in found):
        played = [trial for trial in found if trial.detector == detector]
        groups = build.groups(promtool.cast(played, tenants), settings)
        own = [group for group in groups if build.detector_of(group.name) == detector]
        own = promtool.counters_first(promtool.that_fire(own))
        commands += _prepare(detector, played, own, settings.job, folder, change)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        results = list(pool.map(lambda name: tools.run(tool, "test", "rules", name, folder=folder), commands))
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


def _prepare(
    detector: str,
    played: list[Trial],
    groups: list[Group],
    job: str,
    folder: Path,
    change: Callable[[str], str],
) -> list[str]:
    """Write one detector's rules and test files, so that promtool evaluates no other's; return the latter's names."""
    rules = f"{detector}.rules.yml"
    (folder / rules).write_text(change(prometheus.render(groups, "cases")), encoding="utf-8")
    files = promtool.unit_tests(played, rules, [group.name for group in groups], job)
    for name, document in files.items():
        (folder / f"{detector}.{name}").write_text(dump(document, "cases"), encoding="utf-8")
    return [f"{detector}.{name}" for name in files]


def _should(outcome: str) -> str:
    return "firing" if outcome == "fires" else "quiet"
