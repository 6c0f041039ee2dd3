from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from bw_exporter.config import tenants
from bw_rules.detectors import THRESHOLDS
from bw_rules.groups import build
from bw_rules.render import prometheus
from bw_rules.verify import tools

from .replica_set import SECRET, TENANTS, Deployment, Prometheus, Shops, eventually

CONFIG = f"""
defaults:
  rate_limit: {{rate: 0}}
  detectors:
    charge_failure_spike: {{sensitivity: fixed, window: 1m, baseline: 1d}}
    duplicate_charge: {{hold: 1m}}
    fraud_spike: {{sensitivity: fixed, window: 1m, baseline: 1d}}
    revenue_drop: {{sensitivity: fixed, window: 1m, baseline: 1d}}
    webhook_lag: {{window: 1m, min_events: 1}}
    silent_lapse: {{max_silence: 4h}}
    invoice_mismatch: {{hold: 1m}}
tenants: {{{", ".join(f"{name}: {{webhook_secret: {SECRET}}}" for name in TENANTS)}}}
"""
QUICKER = {"interval: 1m": "interval: 1s", "for: 5m": "for: 1s", "for: 2m": "for: 1s"}
TOTAL = "sum(tenant:billing_events:max)"
OF_REPLICAS = {"BillingExporterReplicaDown", "BillingConfigReloadFailed"}
"""Alerts about one replica, which cannot be the same where there are others."""


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    if tools.find("prometheus") is None:
        pytest.skip("prometheus is neither on PATH nor in .tools/bin; `make tools` fetches it where it can")
    config = tmp_path / "tenants.yaml"
    config.write_text(CONFIG)
    found = build.groups(
        tenants.load(str(config), detectors=THRESHOLDS, read_secrets=False), build.Settings()
    )
    text = prometheus.render(found, "tenants.yaml")
    for slow, quick in QUICKER.items():
        assert slow in text
        text = text.replace(slow, quick)
    (tmp_path / "rules.yml").write_text(text)
    with ExitStack() as running:
        yield Deployment(tmp_path, running)


def rules(deployment: Deployment) -> list[dict[str, Any]]:
    document = yaml.safe_load((deployment.folder / "rules.yml").read_text())
    return [rule for group in document["groups"] for rule in group["rules"]]


def windowed(expr: str, seconds: int) -> str:
    """Return the rule's PromQL with windows of so many seconds instead of a minute."""
    changed = re.sub(r"offset 1m\b", f"offset {seconds}s", expr)
    return re.sub(r"time\(\) - 60\b", f"time() - {seconds}", changed)


def everything(server: Prometheus, found: list[dict[str, Any]], seconds: int, at: float) -> dict[str, object]:
    """Return what every rule gives at a moment, and what was recorded at it."""
    values: dict[str, object] = {}
    for rule in found:
        if rule.get("alert") not in OF_REPLICAS:
            values[f"{rule.get('record') or rule['alert']} over {seconds}s"] = server.asked(
                windowed(rule["expr"], seconds), at
            )
    for name in {rule["record"] for rule in found if "record" in rule}:
        values[f"{name} as recorded"] = server.asked(name, at)
    return values


def settled(shops: Shops, *servers: Prometheus) -> float:
    """Wait until all servers have recorded every acknowledged event by every rule; return a moment
    at which nothing had changed, nor did within a second."""
    wanted = [str(shops.acknowledged)]
    eventually(lambda: all([*server.asked(TOTAL).values()] == wanted for server in servers))
    since = time.time()
    eventually(lambda: all(server.evaluated_at() > since for server in servers))
    at = time.time()
    eventually(lambda: all(server.evaluated_at() > at + 1 for server in servers))
    return at


def test_rules_over_replicas_that_come_and_go_give_what_those_over_a_single_one_give(
    deployment: Deployment,
) -> None:
    steady, first, second = deployment.replicas(3)
    single, both = deployment.prometheus("single", steady), deployment.prometheus("both", first, second)
    shops = Shops([first, second])
    shops.open()
    shops.await_sales(50)
    shops.close()
    before_at = settled(shops, single, both)

    shops.open()
    shops.await_sales(30)
    first.kill()
    eventually(lambda: ("BillingExporterReplicaDown", first.instance) in both.firing())
    shops.await_sales(30)
    shops.replicas[0] = deployment.restarted(first)
    eventually(lambda: not {name for name, _ in both.firing()} & OF_REPLICAS)
    for number in range(2):
        old = shops.replicas[number]
        (new,) = deployment.replicas(1)
        shops.replicas[number] = new
        both.scrape(*shops.replicas, old)
        old.drain()
        both.scrape(*shops.replicas)
        shops.await_sales(30)
    shops.close()
    after_at = settled(shops, single, both)

    found = rules(deployment)
    for seconds in (60, int(after_at - before_at)):
        alone = everything(single, found, seconds, after_at)
        together = everything(both, found, seconds, after_at)
        assert together == alone
    sold = alone[f"tenant:billing_charge_attempts:delta1m over {int(after_at - before_at)}s"]
    assert all(0 < float(value) < shops.acknowledged for value in sold.values())  # type: ignore[attr-defined]
    for server in (single, both):
        totals = server.steps(TOTAL, before_at, after_at)
        assert totals == sorted(totals)
        assert server.asked('ALERTS{alertname=~"BillingCounterReset|BillingExporterDown"}') == {}

    for replica in shops.replicas:
        replica.kill()
    eventually(lambda: ("BillingExporterDown", "") in both.firing())
    assert ("BillingExporterDown", "") not in single.firing()
    assert "BillingSilentLapse" not in {name for name, _ in both.firing()}
