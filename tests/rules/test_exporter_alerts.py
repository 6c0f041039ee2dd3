from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bw_rules.groups import build

from .promtool_file import inputs, tried

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bw_exporter.config.tenants import Tenants

MINUTES, LONGEST = 40, 120
HEALTHY = {
    'up{job="billing-exporter",instance="a"}': f"1+0x{LONGEST}",
    'billingwatch_store_up{job="billing-exporter",instance="a"}': f"1+0x{LONGEST}",
    'billingwatch_config_last_reload_successful{job="billing-exporter",instance="a"}': f"1+0x{LONGEST}",
    'billing_events_total{job="billing-exporter",instance="a",tenant="t",type="other"}': f"100+1x{LONGEST}",
    'billing_tenant_created_timestamp_seconds{job="billing-exporter",instance="a",tenant="t"}': f"0+0x{LONGEST}",
    'billing_last_event_timestamp_seconds{job="billing-exporter",instance="a",tenant="t"}': f"60+60x{LONGEST}",
}
UP, STORE, RELOAD, EVENTS, CREATED, LAST = HEALTHY
REQUESTS = 'billingwatch_webhook_requests_total{job="billing-exporter",instance="a",tenant="%s",result="%s"}'
FAILED = 'prometheus_rule_evaluation_failures_total{rule_group="rules.yml;billingwatch.fraud_spike"}'

THEIRS = 'prometheus_rule_evaluation_failures_total{rule_group="/etc/rules/billingwatch/other.yml;theirs"}'


def steady(value: int, since: int, then: int) -> str:
    """Return a series that is `value`, and `then` for its last `since` minutes."""
    return f"{value}+0x{MINUTES - since} {then}+0x{since - 1}"


@pytest.mark.parametrize(
    ("change", "firing"),
    [
        ({}, set()),
        ({UP: steady(1, 4, 0)}, {"BillingExporterDown"}),
        ({UP: steady(1, 1, 0)}, set()),
        ({UP: f"1+0x{MINUTES - 10}"}, {"BillingExporterDown"}),
        (
            {UP: steady(1, 8, 0), UP.replace('"a"', '"b"'): f"1+0x{MINUTES}"},
            {"BillingExporterReplicaDown"},
        ),
        ({STORE: steady(1, 2, 0)}, {"BillingStoreErrors"}),
        ({REQUESTS % ("t", "store_error"): steady(0, 5, 3)}, {"BillingStoreErrors"}),
        ({RELOAD: steady(1, 4, 0)}, {"BillingConfigReloadFailed"}),
        (
            {
                REQUESTS % ("t", "bad_signature"): f"0+0x{MINUTES - 10} 1+1x9",
                REQUESTS % ("t", "accepted"): f"50+0x{MINUTES}",
            },
            {"BillingWebhookRefused"},
        ),
        (
            {
                REQUESTS % ("t", "bad_signature"): f"0+0x{MINUTES - 10} 1+1x9",
                REQUESTS % ("t", "accepted"): f"0+5x{MINUTES}",
            },
            set(),
        ),
        (
            {
                REQUESTS % ("", "unknown_tenant"): f"0+0x{MINUTES - 10} 1+1x9",
                REQUESTS % ("t", "accepted"): f"0+5x{MINUTES}",
            },
            {"BillingWebhookRefused"},
        ),
        ({REQUESTS % ("", "unknown_tenant"): steady(90, 10, 94)}, set()),
        ({EVENTS: f"100+1x{MINUTES - 3} 20+1x2"}, {"BillingCounterReset"}),
        ({FAILED: f"0+0x{MINUTES - 5} 3+3x4"}, {"BillingRuleEvaluationFailures"}),
        ({FAILED.replace('"}', '.2"}'): f"0+0x{MINUTES - 5} 3+3x4"}, {"BillingRuleEvaluationFailures"}),
        ({THEIRS: f"0+0x{MINUTES - 5} 3+3x4"}, set()),
        (
            {
                REQUESTS % ("t", "bad_signature"): steady(0, 25, 6),
                REQUESTS % ("t", "accepted"): f"50+0x{MINUTES}",
            },
            {"BillingWebhookRefused"},
        ),
    ],
)
def test_an_exporter_alert_fires_for_its_own_fault_and_for_nothing_else(
    config: Callable[[str], Tenants],
    promtool: str,
    tmp_path: Path,
    change: dict[str, str],
    firing: set[str],
):
    code, said = fires_alone(config, promtool, tmp_path, change, firing, MINUTES)
    assert code == 0, said


@pytest.mark.parametrize(
    ("change", "alert"),
    [
        ({EVENTS: f"100+1x{LONGEST - 93} _x90 20+1x2"}, "BillingCounterReset"),
        ({CREATED: f"-2592000+0x{LONGEST}"}, "BillingHistoryMissing"),
    ],
)
def test_what_takes_an_hour_to_see_fires_alone(
    config: Callable[[str], Tenants], promtool: str, tmp_path: Path, change: dict[str, str], alert: str
):
    code, said = fires_alone(config, promtool, tmp_path, change, {alert}, LONGEST)
    assert code == 0, said


def fires_alone(
    config: Callable[[str], Tenants],
    promtool: str,
    folder: Path,
    change: dict[str, str],
    firing: set[str],
    minutes: int,
) -> tuple[int, str]:
    """Have promtool say whether these alerts fire after so many minutes, beside the heartbeat and no other."""
    groups = build.groups(config("tenants: {t: {webhook_secret: whsec_a}}"), build.Settings())
    expected = [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in {*firing, "BillingWatchdog"}]
    test = {
        "interval": "1m",
        "input_series": inputs(HEALTHY | change),
        "promql_expr_test": [
            {
                "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                "eval_time": f"{minutes}m",
                "exp_samples": expected,
            }
        ],
    }
    return tried(promtool, folder, groups, "1m", [test])


def test_the_labels_of_all_tenants_are_on_what_is_told_of_one(config: Callable[[str], Tenants]):
    tenants = config("defaults: {labels: {team: payments}}\ntenants: {t: {webhook_secret: whsec_a}}")
    rules = build.groups(tenants, build.Settings())[-1].rules
    told = {rule.name for rule in rules if ("team", "payments") in getattr(rule, "labels", ())}
    assert told == {"BillingWebhookRefused", "BillingCounterReset", "BillingHistoryMissing"}
