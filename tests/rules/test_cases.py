from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bw_rules.detectors import DETECTORS
from bw_rules.groups import build
from bw_rules.render import prometheus
from bw_rules.render.yaml_text import dump
from bw_rules.verify import tools, trial_run
from bw_rules.verify.promtool import cast, trials, unit_tests

from .thresholds_alone import DEFAULTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bw_exporter.config.tenants import Tenants

PLAIN = "tenants: {prod: {webhook_secret: whsec_a}}"
pytestmark = pytest.mark.usefixtures("promtool")


@pytest.mark.parametrize("detector", DETECTORS)
def test_every_edge_of_a_detector_fires_or_stays_quiet_as_it_says(
    config: Callable[[str], Tenants], tmp_path: Path, detector: str
):
    on = f"defaults: {{detectors: {{{detector}: {{enabled: true}}}}}}\n"
    passed, lines = trial_run.run(config(on + PLAIN), build.Settings(), tmp_path, only=detector)
    assert passed, "\n".join(lines)


@pytest.mark.parametrize(
    ("detector", "thresholds"),
    [
        ("charge_failure_spike", "{sensitivity: fixed, multiplier: 2.5, window: 2h, baseline: 1d, min_failures: 7,"
         " failure_pct: 12.5}"),
        ("fraud_spike", "{sensitivity: fixed, multiplier: 1.2, window: 6h, baseline: 2d, min_disputes: 4, for: 1h}"),
        ("revenue_drop", "{sensitivity: fixed, drop_pct: 33.3, window: 12h, baseline: 3d, min_daily_revenue: 7}"),
        ("revenue_drop", "{sensitivity: fixed, compare: weekday}"),
        ("silent_lapse", "{max_silence: 30m}"),
        ("webhook_lag", "{max_lag: 120s, window: 1h, min_events: 3}"),
        ("duplicate_charge", "{hold: 2h}"),
        ("duplicate_charge", "{hold: 1m}"),
        ("webhook_lag", "{window: 1m}"),
        ("revenue_drop", "{sensitivity: fixed, drop_pct: 1, window: 1h, baseline: 2d}"),
        ("fraud_spike", "{sensitivity: fixed, min_disputes: 1, multiplier: 1, window: 2d, baseline: 1d}"),
        ("fraud_spike", "{sensitivity: fixed, window: 10m}"),
        ("revenue_drop", "{sensitivity: fixed, window: 15m}"),
        ("revenue_drop", "{sensitivity: fixed, min_daily_revenue: 1000000000000}"),
        ("refund_spike", "{sensitivity: fixed, window: 1h, multiplier: 4, min_refunds: 6}"),
    ],
)  # fmt: skip
def test_the_edges_move_with_the_thresholds_in_force(
    config: Callable[[str], Tenants], tmp_path: Path, detector: str, thresholds: str
):
    tenants = config(f"defaults: {{detectors: {{{detector}: {thresholds}}}}}\n{PLAIN}")
    passed, lines = trial_run.run(tenants, build.Settings(), tmp_path, only=detector)
    assert passed, "\n".join(lines)


@pytest.mark.parametrize(
    ("detector", "thresholds"),
    [
        ("fraud_spike", "{sensitivity: high, min_disputes: 6}"),
        ("revenue_drop", "{sensitivity: low, drop_pct: 85, min_daily_revenue: 7}"),
        ("charge_failure_spike", "{sensitivity: low, min_failures: 8, multiplier: 4}"),
        ("silent_lapse", "{max_silence: auto}"),
    ],
)
def test_the_edges_move_with_two_weeks_of_past_and_with_what_counts_as_missed(
    config: Callable[[str], Tenants], tmp_path: Path, detector: str, thresholds: str
):
    defaults = f"past: 2w, catch_up: {{after: 9m}}, detectors: {{{detector}: {thresholds}}}"
    tenants = config(f"defaults: {{{defaults}}}\n{PLAIN}")
    passed, lines = trial_run.run(tenants, build.Settings(), tmp_path, only=detector)
    assert passed, "\n".join(lines)


def test_events_are_old_from_the_tenants_own_catch_up_on(config: Callable[[str], Tenants]):
    tenants = config(
        "tenants:\n"
        "  a: {webhook_secret: whsec_a}\n"
        "  same: {webhook_secret: whsec_a, catch_up: {after: 4m}}\n"
        "  slow: {webhook_secret: whsec_a, catch_up: {after: 9m}}\n"
    )
    rules = {rule.name: rule for group in build.groups(tenants, build.Settings()) for rule in group.rules}
    assert 'le="300.0"' in rules["tenant:billing_disputes:old_share"].expr
    assert 'le="600.0"' in rules["tenant:billing_disputes:old_share_over600s"].expr
    for detector in ("charge_failure_spike", "fraud_spike"):
        by_tenants = {
            alert.expr.count('"slow"'): alert.expr
            for group in build.groups(tenants, build.Settings())
            for alert in group.rules
            if ("detector", detector) in alert.labels
        }
        assert len(by_tenants) == 2
        assert sorted("over600s" in expr for expr in by_tenants.values()) == [False, True]


def test_an_override_is_tried_beside_the_default(config: Callable[[str], Tenants], tmp_path: Path):
    tenants = config(
        "tenants:\n"
        "  a: {webhook_secret: whsec_a}\n"
        "  b: {webhook_secret: whsec_a, detectors: {webhook_lag: {max_lag: 60s, min_events: 4}}}\n"
    )
    passed, lines = trial_run.run(tenants, build.Settings(job="billing"), tmp_path, only="webhook_lag")
    assert passed, "\n".join(lines)
    assert "18 cases" in lines[0]


@pytest.mark.parametrize(
    ("detector", "correct", "mutant"),
    [
        ("fraud_spike", "max by (tenant, reason)", "sum by (tenant, reason)"),
        ("fraud_spike", "[1h] offset", "[5m] offset"),
        ("fraud_spike", ">= 3\n", ">= 0\n"),
        (
            "fraud_spike",
            "max by (tenant) (last_over_time(billing_tenant_created",
            "0 * max by (tenant) (last_over_time(billing_tenant_created",
        ),
        ("fraud_spike", ", 1, 604800)", ", 604800, 604800)"),
        ("charge_failure_spike", ", 1, 604800)", ", 604800, 604800)"),
        (
            "silent_lapse",
            "and on () (min_over_time(max_over_time(billing:up:max[10m])[1h:1m]) == 1)",
            "",
        ),
        ("silent_lapse", "min_over_time(max", "max_over_time(max"),
        ("silent_lapse", "max_over_time(billing:up:max[10m])", "max_over_time(billing:up:max[30s])"),
        ("silent_lapse", " > 0) > 14400", ") > 14400"),
        ("revenue_drop", "delta1d >= 0\n", "delta1d >= -1e18\n"),
        ("revenue_drop", "minor_units:lost[1d]", "minor_units:lost[1m]"),
        ("revenue_drop", "max[6h] offset 5m", "max[1m] offset 5m"),
        ("charge_failure_spike", "failures:lost[7d] offset 1h", "failures:lost[1m] offset 1h"),
        ("charge_failure_spike", "attempts:lost[1h]", "attempts:lost[1m]"),
        ("fraud_spike", "disputes:lost[7d] offset 1d", "disputes:lost[1m] offset 1d"),
        ("revenue_drop", ">= on (currency) group_left () (700", ">= on (currency) group_left () (0"),
        ("duplicate_charge", "max[6h]", "max[1h]"),
        ("duplicate_charge", "< 3600", "< 0"),
        ("duplicate_charge", "< 3600", "< 7200"),
        ("invoice_mismatch", 'verdict="mismatch"', 'verdict="ok"'),
        ("webhook_lag", 'le="30.0"', 'le="+Inf"'),
        ("webhook_lag", "offset 15m", "offset 1h"),
    ],
)
def test_a_rule_that_is_wrong_is_noticed(
    config: Callable[[str], Tenants], tmp_path: Path, detector: str, correct: str, mutant: str
):
    def change(rules: str) -> str:
        assert correct in rules
        return rules.replace(correct, mutant)

    passed, _ = trial_run.run(
        config(DEFAULTS + PLAIN), build.Settings(), tmp_path, only=detector, change=change
    )
    assert not passed


@pytest.mark.parametrize(
    ("detector", "drawn"),
    [
        ("charge_failure_spike", "tenant:billing_charge_failures:delta1h{%s} >= on (tenant) %s"),
        ("fraud_spike", "tenant:billing_disputes:delta1d{%s} >= on (tenant) %s"),
        (
            "revenue_drop",
            "(tenant:billing_revenue_minor_units:delta1d{%s} >= 0) <= on (tenant, currency) %s",
        ),
    ],
)
def test_what_is_drawn_is_what_fires(
    config: Callable[[str], Tenants], promtool: str, tmp_path: Path, detector: str, drawn: str
):
    """Not so of lag alone: after an absence of the exporter it is quiet above its level, as one of its cases says."""
    tenants = config(DEFAULTS + PLAIN)
    played = [trial for trial in trials(tenants) if trial.detector == detector]
    groups = [g for g in build.groups(cast(played, tenants), build.Settings()) if g.name.endswith(detector)]
    (tmp_path / "rules.yml").write_text(prometheus.render(groups, "cases"))
    (level,) = {rule.name for rule in groups[0].rules if ":threshold" in rule.name}
    for name, document in unit_tests(played, "rules.yml", [groups[0].name], build.JOB).items():
        cases = document["tests"][0]["promql_expr_test"]
        for case, trial in zip(cases, played, strict=True):
            expr = drawn % (f'tenant="{trial.tenant.id}"', level)
            case["expr"] = f"count by (tenant) ({expr}) > bool 0"
            fires = trial.case.outcome == "fires"
            labels = f'{{tenant="{trial.tenant.id}"}}'
            case["exp_samples"] = [{"labels": labels, "value": 1}] if fires else []
        (tmp_path / name).write_text(dump(document, "cases"))
        code, said = tools.run(promtool, "test", "rules", name, folder=tmp_path)
        assert code == 0, said
