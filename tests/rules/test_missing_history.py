from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bw_rules.detectors import DETECTORS
from bw_rules.groups import build, missing_history

from .thresholds_alone import BASELINES, DEFAULTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from bw_exporter.config.tenants import Tenants

DAY = 86_400
TENANTS = (
    DEFAULTS
    + """
tenants:
  plain: {webhook_secret: whsec_a}
  quiet: {webhook_secret: whsec_a, detectors: {silent_lapse: {max_silence: 30d}}}
  month: {webhook_secret: whsec_a, detectors: {revenue_drop: {compare: weekday, baseline: 28d}}}
  other-month: {webhook_secret: whsec_a, detectors: {fraud_spike: {baseline: 28d}}}
  short: {webhook_secret: whsec_a, detectors: {SHORT}}
  idle: {webhook_secret: whsec_a, detectors: {%s}}
""".replace("SHORT", ", ".join(f"{name}: {{baseline: 1d}}" for name in BASELINES))
)
OFF = ", ".join(f"{name}: {{enabled: false}}" for name in DETECTORS)


def test_history_is_asked_for_as_far_back_as_each_tenants_own_thresholds_look(
    config: Callable[[str], Tenants],
):
    found = {reach.profile: reach for reach in missing_history.reaches(config(TENANTS % OFF))}
    assert {name: reach.seconds for name, reach in found.items()} == {
        "default": 8 * DAY,
        "reach-2d": 2 * DAY,
        "reach-29d": 29 * DAY,
    }
    assert found["reach-29d"].matcher == 'tenant=~"month|other-month"'
    assert found["default"].matcher == 'tenant!~"idle|month|other-month|short"'


def test_each_missing_history_is_an_alert_that_says_how_far_back(config: Callable[[str], Tenants]):
    group = build.groups(config(TENANTS % OFF), build.Settings())[-1]
    rules = [rule for rule in group.rules if rule.name == missing_history.NAME]
    said = [re.search(r"from (\w+) ago", dict(rule.annotations)["description"])[1] for rule in rules]
    assert said == ["8d", "2d", "29d"]
    assert all(f"offset {reach}" in rule.expr for rule, reach in zip(rules, said, strict=True))


def test_where_nothing_is_compared_no_history_is_asked_for(config: Callable[[str], Tenants]):
    text = f"defaults: {{detectors: {{{OFF}}}}}\ntenants: {{a: {{webhook_secret: whsec_a}}}}"
    assert missing_history.reaches(config(text)) == ()


def test_evidence_asks_for_the_tenants_past_and_a_day(config: Callable[[str], Tenants]):
    text = "tenants: {a: {webhook_secret: whsec_a}, b: {webhook_secret: whsec_a, past: 2w}}"
    found = {reach.profile: reach.seconds for reach in missing_history.reaches(config(text))}
    assert found == {"default": 29 * DAY, "reach-15d": 15 * DAY}
