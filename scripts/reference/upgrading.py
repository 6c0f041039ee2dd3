"""What an installation of an older version has to take up, held against the files of one kept for the tests."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from bw_exporter.facts import feeds
from bw_rules.detectors import DETECTORS, OFF_UNTIL_ASKED_FOR

INSTALLATION = Path("tests/upgrade/installation")
"""An installation of the version before rules judged by evidence; in a checkout."""


def parts(root: Path, rules_text: str) -> dict[str, str]:
    """Return the generated tables of docs/upgrading.md by name; `rules_text` is what the same file renders to now."""
    before = root / INSTALLATION
    old, new = _names((before / "billing.rules.yml").read_text(encoding="utf-8")), _names(rules_text)
    selected = (before / "selected.txt").read_text(encoding="utf-8").split()
    return {
        "events": _listed(name for name in feeds.SELECT if name not in selected),
        "alerts": _alerts(old["alert"]),
        "recordings": _listed(sorted(old["record"] - new["record"])),
    }


def _names(text: str) -> dict[str, set[str]]:
    """Return the names that a rule file records and alerts by."""
    rules: list[dict[str, Any]] = [
        rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]
    ]
    return {kind: {rule[kind] for rule in rules if kind in rule} for kind in ("alert", "record")}


def _alerts(known: set[str]) -> str:
    rows = [
        f"| [{one.alert}](runbooks/{one.alert}.md) | {one.summary} "
        f"| {'`enabled: true` asks for it' if name in OFF_UNTIL_ASKED_FOR else 'on'} |"
        for name, one in DETECTORS.items()
        if one.alert not in known
    ]
    return "\n".join(("| alert | says | by default |", "|---|---|---|", *rows, ""))


def _listed(names: Iterable[str]) -> str:
    return "".join(f"- `{name}`\n" for name in names) or "None.\n"
