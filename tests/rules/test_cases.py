from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bw_rules import build, trial_run
from bw_rules.detectors import DETECTORS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bw_exporter.tenants import Tenants

PLAIN = "tenants: {prod: {webhook_secret: whsec_a}}"
pytestmark = pytest.mark.usefixtures("promtool")


@pytest.mark.parametrize("detector", DETECTORS)
def test_every_edge_of_a_detector_fires_or_stays_quiet_as_it_says(
    config: Callable[[str], Tenants], tmp_path: Path, detector: str
):
    passed, lines = trial_run.run(config(PLAIN), build.Settings(), tmp_path, only=detector)
    assert passed, "\n".join(lines)


@pytest.mark.parametrize(
    ("detector", "thresholds"),
    [
        ("charge_failure_spike", "{multiplier: 2.5, window: 2h, baseline: 1d, min_failures: 7, failure_pct: 12.5}"),
        ("fraud_spike", "{multiplier: 1.2, window: 6h, baseline: 2d, min_disputes: 4, for: 1h}"),
        ("revenue_drop", "{drop_pct: 33.3, window: 12h, baseline: 3d, min_daily_revenue: 7}"),
        ("revenue_drop", "{compare: weekday}"),
        ("silent_lapse", "{max_silence: 30m}"),
        ("webhook_lag", "{max_lag: 120s, window: 1h, min_events: 3}"),
        ("duplicate_charge", "{hold: 2h}"),
    ],
)  # fmt: skip
def test_the_edges_move_with_the_thresholds_in_force(
    config: Callable[[str], Tenants], tmp_path: Path, detector: str, thresholds: str
):
    tenants = config(f"defaults: {{detectors: {{{detector}: {thresholds}}}}}\n{PLAIN}")
    passed, lines = trial_run.run(tenants, build.Settings(), tmp_path, only=detector)
    assert passed, "\n".join(lines)


def test_an_override_is_tried_beside_the_default(config: Callable[[str], Tenants], tmp_path: Path):
    tenants = config(
        "tenants:\n"
        "  a: {webhook_secret: whsec_a}\n"
        "  b: {webhook_secret: whsec_a, detectors: {webhook_lag: {max_lag: 60s, min_events: 4}}}\n"
    )
    passed, lines = trial_run.run(tenants, build.Settings(job="billing"), tmp_path, only="webhook_lag")
    assert passed, "\n".join(lines)
    assert "12 cases" in lines[0]


@pytest.mark.parametrize(
    ("detector", "correct", "mutant"),
    [
        ("fraud_spike", "max by (tenant, reason)", "sum by (tenant, reason)"),
        ("fraud_spike", "[1h] offset", "[5m] offset"),
        ("fraud_spike", ">= 3\n", ">= 0\n"),
        (
            "fraud_spike",
            "max by (tenant) (billing_tenant_created",
            "0 * max by (tenant) (billing_tenant_created",
        ),
        ("silent_lapse", "and on () (min_over_time(billing:up:max[1h]) == 1)", ""),
        ("silent_lapse", "min_over_time(billing:up:max[1h])", "max_over_time(billing:up:max[1h])"),
        ("silent_lapse", " > 0) > 14400", ") > 14400"),
        ("revenue_drop", "delta1d >= 0\n", "delta1d >= -1e18\n"),
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

    passed, _ = trial_run.run(config(PLAIN), build.Settings(), tmp_path, only=detector, change=change)
    assert not passed
