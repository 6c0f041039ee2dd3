"""A store restored from a backup of 13 hours ago, told by two replicas of which one is restarted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bw_rules.groups import build

from .promtool_file import inputs, tried
from .thresholds_alone import DEFAULTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bw_exporter.config.tenants import Tenants

HOUR = 6
"""Steps of ten minutes."""
BEFORE, AFTER = 9 * 24 * HOUR + 5, 26 * HOUR
BACKUP = BEFORE - 13 * HOUR
PER_STEP = 700


def counter(after: int, missed: int = 0) -> str:
    """Return a counter that falls to what it was in the backup and then grows by `after` a step.

    It cannot be scraped for the last `missed` steps before the fall.
    """
    away = f" _x{missed}" if missed else ""
    return f"0+{PER_STEP}x{BEFORE - 1 - missed}{away} {PER_STEP * BACKUP}+{after}x{AFTER}"


def test_what_a_restored_store_lacks_is_no_drop_in_revenue_and_hides_none(
    config: Callable[[str], Tenants], promtool: str, tmp_path: Path
):
    tenants = config(
        DEFAULTS + "tenants: {sells: {webhook_secret: whsec_a}, stops: {webhook_secret: whsec_a}}"
    )
    groups = [
        group
        for group in build.groups(tenants, build.Settings())
        if build.detector_of(group.name) in ("revenue_drop", "watchdog")
    ]
    scraped = 'job="billing-exporter",instance="%s"'
    series = {"up{" + scraped % "a" + "}": f"1+0x{BEFORE + AFTER}"}
    series[f'billing_currency_minor_units{{{scraped % "a"},currency="usd"}}'] = f"100+0x{BEFORE + AFTER}"
    for tenant, after in (("sells", PER_STEP), ("stops", 0)):
        for replica, missed in (("a", 3), ("b", 2)):
            labels = f'{scraped % replica},tenant="{tenant}"'
            series[f'billing_revenue_minor_units_total{{{labels},currency="usd"}}'] = counter(after, missed)
            series[f'billing_events_total{{{labels},type="other"}}'] = counter(after, missed)
            series[f"billing_tenant_created_timestamp_seconds{{{labels}}}"] = f"1+0x{BEFORE + AFTER}"

    def firing(hours_after: int, *expected: tuple[str, str]) -> dict[str, Any]:
        return {
            "expr": 'count by (alertname, tenant) (ALERTS{alertstate="firing",tenant!=""})',
            "eval_time": f"{(BEFORE + hours_after * HOUR) * 10}m",
            "exp_samples": [
                {"labels": f'{{alertname="{name}",tenant="{tenant}"}}', "value": 1}
                for name, tenant in expected
            ],
        }

    restored = ("BillingCounterReset", "sells"), ("BillingCounterReset", "stops")
    test = {
        "interval": "10m",
        "input_series": inputs(series),
        "promql_expr_test": [
            firing(1, *restored),
            firing(11, *restored),
            firing(14, *restored, ("BillingRevenueDrop", "stops")),
            firing(23, *restored, ("BillingRevenueDrop", "stops")),
        ],
    }
    code, said = tried(promtool, tmp_path, groups, "10m", [test])
    assert code == 0, said
