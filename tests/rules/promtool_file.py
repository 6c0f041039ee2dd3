"""One file of rules and one of what they are to do, given to promtool."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bw_rules.render import prometheus
from bw_rules.render.yaml_text import dump
from bw_rules.verify import tools

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from bw_rules.groups.rule import Group


def tried(
    promtool: str, folder: Path, groups: Sequence[Group], every: str, tests: Sequence[Mapping[str, Any]]
) -> tuple[int, str]:
    """Evaluate the groups in their order, as often as `every` says; return promtool's status and what it said."""
    (folder / "rules.yml").write_text(prometheus.render(groups, "tenants.yaml"))
    document = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": every,
        "group_eval_order": [group.name for group in groups],
        "tests": list(tests),
    }
    (folder / "test.yml").write_text(dump(document, "test"))
    return tools.run(promtool, "test", "rules", "test.yml", folder=folder)


def inputs(series: Mapping[str, str]) -> list[dict[str, str]]:
    """Return series, by name, in promtool's notation."""
    return [{"series": name, "values": values} for name, values in series.items()]
