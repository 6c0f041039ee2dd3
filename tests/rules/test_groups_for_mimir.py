from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from bw_rules.cli import main
from bw_rules.detectors import DETECTORS, OFF_UNTIL_ASKED_FOR
from bw_rules.groups import build
from bw_rules.groups.rule import Alert
from bw_rules.render import mimir, prometheus
from bw_rules.verify import trial_run
from bw_rules.verify.promtool import cast, trials

from .thresholds_alone import DEFAULTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bw_exporter.config.tenants import Tenants
    from bw_rules.groups.rule import Group

HOUR = 3600
OVERRIDES = (
    DEFAULTS
    + "tenants:\n  plain: {webhook_secret: whsec_a}\n"
    + "".join(
        f"  t{n}: {{webhook_secret: whsec_a, detectors: {{"
        f"charge_failure_spike: {{min_failures: {n}, window: {n % 3 + 1}h}}, silent_lapse: {{max_silence: {n}h}}, "
        f"webhook_lag: {{min_events: {n}}}, revenue_drop: {{baseline: {n % 9 + 1}d}}}}}}\n"
        for n in range(1, 20)
    )
)


@pytest.fixture
def tenants(config: Callable[[str], Tenants]) -> Tenants:
    return config(OVERRIDES)


def split(tenants: Tenants) -> tuple[Group, ...]:
    return build.groups(tenants, build.Settings(), mimir.RULES_PER_GROUP)


def test_no_group_is_larger_than_mimir_allows_and_no_alert_is_lost_but_the_one_that_it_cannot_feed(
    tenants: Tenants,
):
    whole = build.groups(tenants, build.Settings())
    assert max(len(group.rules) for group in whole) > mimir.RULES_PER_GROUP
    assert all(len(group.rules) <= mimir.RULES_PER_GROUP for group in split(tenants))
    alerts = [
        rule
        for group in whole
        for rule in group.rules
        if isinstance(rule, Alert) and rule.name != "BillingRuleEvaluationFailures"
    ]
    assert [rule for group in split(tenants) for rule in group.rules if isinstance(rule, Alert)] == alerts
    assert len({group.name for group in split(tenants)}) == len(split(tenants))


def test_a_detector_that_is_off_for_all_leaves_no_empty_group(config: Callable[[str], Tenants]):
    off = "defaults: {detectors: {webhook_lag: {enabled: false}, fraud_spike: {enabled: false}}}\n"
    on = "tenants: {a: {webhook_secret: whsec_a, detectors: {fraud_spike: {enabled: true}}}}"
    groups = split(config(off + on))
    assert all(group.rules for group in groups)
    detectors = {build.detector_of(group.name) for group in groups}
    assert detectors == {*DETECTORS, "watchdog"} - {"webhook_lag", *OFF_UNTIL_ASKED_FOR}


def test_more_groups_than_mimir_takes_by_default_are_told(
    config_file: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
):
    command = ["render", "--format", "mimir", "--config.file"]
    assert main([*command, str(config_file(OVERRIDES))]) == 0
    assert capsys.readouterr().err == ""
    many = "tenants:\n" + "".join(
        f"  t{n}: {{webhook_secret: whsec_a, detectors: {{webhook_lag: {{min_events: {n}}}}}}}\n"
        for n in range(1, 600)
    )
    assert main([*command, str(config_file(many))]) == 0
    captured = capsys.readouterr()
    assert re.search(r"makes \d+ groups, and Mimir takes 70 .* raise its ruler_max", captured.err)
    assert captured.out.startswith("# Made by")


def test_an_alert_reads_no_counter_that_another_group_records(tenants: Tenants):
    for group in split(tenants):
        if "watchdog" in group.name:
            continue
        recorded = {rule.name for rule in group.rules}
        for rule in group.rules:
            read = set(re.findall(r"\b(?:tenant|billing):[\w:]+", rule.expr))
            assert read - recorded <= {"billing:up:max", "billing:lag_up:max"}, rule.name


def test_each_tenant_is_recorded_by_one_group(tenants: Tenants):
    for name in ("tenant:billing_charge_failures:max", "tenant:billing_charge_failures:delta1h"):
        recorded = [rule.expr for group in split(tenants) for rule in group.rules if rule.name == name]
        assert len(recorded) > 1
        for tenant in (*tenants.by_id, "not-there-yet"):
            groups = sum(records(expr, tenant) for expr in recorded)
            own = tenants.by_id.get(tenant)
            hourly = own is None or own.detectors["charge_failure_spike"].window == HOUR
            assert groups == 1 or (groups == 0 and ":delta" in name and not hourly), (name, tenant)


def records(expr: str, tenant: str) -> bool:
    _, sign, ids = re.search(r'(tenant)(=~|=|!~|!=)"([^"]*)"', expr).groups()
    return bool(re.fullmatch(ids, tenant)) == sign.startswith("=")


@pytest.mark.usefixtures("promtool")
def test_split_groups_fire_as_the_whole_one_does(tenants: Tenants, tmp_path: Path):
    found = [trial for trial in trials(tenants) if trial.detector == "webhook_lag"]
    played = cast(found, tenants)
    groups = [group for group in split(played) if build.detector_of(group.name) == "webhook_lag"]
    assert len(groups) > 1

    def instead(_: str) -> str:
        return prometheus.render(groups, "cases")

    passed, lines = trial_run.run(tenants, build.Settings(), tmp_path, only="webhook_lag", change=instead)
    assert passed, "\n".join(lines)
