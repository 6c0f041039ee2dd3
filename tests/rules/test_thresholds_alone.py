"""With `sensitivity: fixed` the rules are those of before evidence was weighed, to the letter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from bw_exporter.config import tenants
from bw_rules.detectors import THRESHOLDS
from bw_rules.groups import build
from bw_rules.render import prometheus

FIXTURES = Path(__file__).parent / "fixtures"
EVIDENCE = {"charge_failure_spike", "fraud_spike", "revenue_drop", "silent_lapse"}


def rules(text: str) -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]


def alerts(found: list[dict[str, Any]]) -> dict[tuple[str, str], tuple[str, str | None, str | None]]:
    """Expression, `for` and `keep_firing_for` of each alert, by detector and tenants."""
    return {
        (rule["labels"]["detector"], rule["labels"]["severity"] + str(rule["labels"].get("team"))): (
            rule["expr"],
            rule.get("for"),
            rule.get("keep_firing_for"),
        )
        for rule in found
        if "alert" in rule and rule["labels"]["detector"] in EVIDENCE
    }


def test_thresholds_alone_fire_on_the_same_conditions_as_the_first_rules():
    found = tenants.load(str(FIXTURES / "thresholds-alone.yaml"), detectors=THRESHOLDS, read_secrets=False)
    assert found.unread == ()
    now = rules(prometheus.render(build.groups(found, build.Settings()), "x"))
    before = rules((FIXTURES / "thresholds-alone.rules.yml").read_text())
    assert alerts(now) == alerts(before)
    recorded = {rule["record"]: rule["expr"] for rule in now if "record" in rule and "labels" not in rule}
    read = " ".join(expr for expr, _, _ in alerts(before).values())
    first = {rule["record"]: rule["expr"] for rule in before if "record" in rule and "labels" not in rule}
    assert {name: recorded[name] for name in first if name in read} == {
        name: expr for name, expr in first.items() if name in read
    }
