from __future__ import annotations

import re
from typing import TYPE_CHECKING

import promql_parser
import pytest

from bw_rules.detectors import THRESHOLDS
from bw_rules.groups import build
from bw_rules.groups.rule import Alert
from bw_rules.render import prometheus
from bw_rules.toolkit.thresholds import Weighed

from .promtool_file import inputs, tried

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bw_exporter.config.tenants import Tenants

DAYS = 10
STEPS = DAYS * 144
"""Of ten minutes."""
TENANT = 'job="billing-exporter",instance="a",tenant="t"'
EVIDENT = [name for name, model in THRESHOLDS.items() if issubclass(model, Weighed)]
QUERY = re.compile(r'(?:with|range) printf "((?:[^"\\]|\\.)*)"[^"|}]*\| query')
QUICK = """
defaults: {detectors: {revenue_drop: {sensitivity: fixed, for: 0}, webhook_lag: {window: 1d}}}
tenants: {t: {webhook_secret: whsec_a}}
"""


def earned(per_step: int) -> str:
    """Return a counter that grows evenly, and not at all on the last day but by one and a half steps."""
    until = (DAYS - 1) * 144
    total = per_step * until
    return f"0+{per_step}x{until} {total + per_step + per_step // 2}+0x{STEPS - until - 1}"


def test_large_counts_and_money_are_written_out_in_full(
    config: Callable[[str], Tenants], promtool: str, tmp_path: Path
):
    found = [
        group
        for group in build.groups(config(QUICK), build.Settings())
        if build.detector_of(group.name) in ("revenue_drop", "webhook_lag")
    ]
    minor = {"usd": 100, "jpy": 1, "kwd": 1000}
    series = {
        f'billing_revenue_minor_units_total{{{TENANT},currency="{code}"}}': earned(2_000_002)
        for code in minor
    }
    series |= {
        f'billing_currency_minor_units{{job="billing-exporter",instance="a",currency="{code}"}}': f"{units}+0x{STEPS}"
        for code, units in minor.items()
    }
    series |= {
        'up{job="billing-exporter",instance="a"}': f"1+0x{STEPS}",
        f"billing_tenant_created_timestamp_seconds{{{TENANT}}}": f"-999999+0x{STEPS}",
        f"billing_webhook_lag_seconds_count{{{TENANT}}}": f"0+0x{STEPS - 3} 12345678+0x3",
        f'billing_webhook_lag_seconds_bucket{{{TENANT},le="30.0"}}': f"0+0x{STEPS}",
    }
    test = {
        "interval": "10m",
        "input_series": inputs(series),
        "alert_rule_test": [
            {"alertname": name, "eval_time": f"{DAYS}d", "exp_alerts": []}
            for name in ("BillingRevenueDrop", "BillingWebhookLag")
        ],
    }
    _, said = tried(promtool, tmp_path, found, "10m", [test])
    for wanted in (
        "30000.03 usd within 1d, against 2880002.88 on average",
        "3000003 jpy within 1d, against 288000288 on average",
        "3000.003 kwd within 1d, against 288000.288 on average",
        "more than 30s after Stripe made them: 12345678.",
    ):
        assert wanted in said
    assert "e+0" not in said


@pytest.mark.parametrize("value", ["{{ $value }}", "{{$value}}"])
def test_no_description_prints_a_number_as_the_template_likes(config: Callable[[str], Tenants], value: str):
    assert value not in prometheus.render(build.groups(config(QUICK), build.Settings()), "tenants.yaml")


@pytest.mark.parametrize("sensitivity", ["low", "normal", "high", "fixed"])
def test_what_a_description_asks_prometheus_is_promql(config: Callable[[str], Tenants], sensitivity: str):
    """A query that Prometheus refuses costs the alert its whole description."""
    detectors = (f"{name}: {{sensitivity: {sensitivity}}}" for name in EVIDENT)
    tenants = config(
        f"defaults: {{detectors: {{{', '.join(detectors)}}}}}\ntenants: {{t: {{webhook_secret: whsec_a}}}}"
    )
    asked = 0
    for group in build.groups(tenants, build.Settings()):
        for rule in (rule for rule in group.rules if isinstance(rule, Alert)):
            for text in QUERY.findall(dict(rule.annotations)["description"]):
                promql_parser.parse(text.replace('\\"', '"').replace("%s", "x").replace("%.0f", "1"))
                asked += 1
    assert asked > 5
