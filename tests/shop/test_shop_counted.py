from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bw_exporter import facts, housekeeping, ingest
from bw_exporter.config import tenants
from bw_exporter.config.tenants import Tenant
from bw_exporter.facts import event
from bw_exporter.store import Store, open_store
from bw_rules.detectors import THRESHOLDS
from bw_simulator.shop import anomalies
from bw_simulator.shop.deliveries import deliveries
from bw_simulator.shop.traffic import Shop

START = 1_795_000_000
HAPPENINGS = 250


@pytest.fixture
def tenant(tmp_path: Path) -> Tenant:
    path = tmp_path / "tenants.yaml"
    path.write_text("tenants: {shop: {webhook_secret: whsec_x}}\n")
    return tenants.load(str(path), detectors=THRESHOLDS).by_id["shop"]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path}/store.db")
    opened.register(["shop"], START)
    yield opened
    opened.close()


def counted(store: Store) -> Counter[str]:
    """The tenant's series without the label `tenant`; those at 0 are left out."""
    series = {
        line.strip().replace('tenant="shop"', ""): value for line, value in store.samples("shop").items()
    }
    return Counter(
        {line.replace("{,", "{").replace("{}", ""): value for line, value in series.items() if value}
    )


def total(samples: Counter[str], family: str) -> int:
    return sum(value for line, value in samples.items() if line.split("{")[0] == family)


def struck(name: str, store: Store, tenant: Tenant) -> Counter[str]:
    """What is counted once an anomaly has struck and all graces are over."""
    for delivery in deliveries("shop", anomalies.play(name, "shop", START))[0]:
        ingest.receive(delivery.body, tenant, store, START)
    for seconds in range(0, 7200, 600):
        housekeeping.resolve_due(store, START + seconds)
    return counted(store)


def test_every_simulated_event_is_read_without_a_complaint() -> None:
    shop = Shop("shop", seed=5, started_at=START)
    told: list[dict[str, Any]] = [one for n in range(2000) for one in shop.next(START + n)]
    for name in anomalies.names():
        told += anomalies.play(name, "shop", START)
    for delivery in deliveries("shop", told)[0]:
        read = event.parse(delivery.body)
        assert read.malformed is None
        facts.facts_of(read)


def test_ordinary_traffic_is_counted_exactly_in_whatever_order_it_comes(store: Store, tenant: Tenant) -> None:
    shop, chance = Shop("shop", seed=1, started_at=START), random.Random(1)
    revenue: Counter[str] = Counter()
    again = 0
    for n in range(HAPPENINGS):
        now = START + n
        for delivery in deliveries("shop", told := shop.next(now), chance)[0]:
            result = ingest.receive(delivery.body, tenant, store, now)
            assert result == ("redelivered" if delivery.again else "accepted")
            again += delivery.again
        for one in told:
            if one["type"] == "charge.succeeded":
                charge = one["data"]["object"]
                revenue[charge["currency"]] += charge["amount_captured"]
    for seconds in range(0, 7200, 600):
        housekeeping.resolve_due(store, START + HAPPENINGS + seconds)
    samples = counted(store)
    assert again > 0
    assert samples['billing_events_ignored_total{reason="redelivered"}'] == again
    assert {
        currency: samples[f'billing_revenue_minor_units_total{{currency="{currency}"}}']
        for currency in revenue
    } == revenue
    assert total(samples, "billing_duplicate_charges_total") == 0
    assert samples['billing_invoice_checks_total{verdict="mismatch"}'] == 0
    assert samples['billing_invoice_checks_total{verdict="abstained"}'] == 0
    assert samples['billing_invoice_checks_total{verdict="ok"}'] > 30


def test_a_duplicate_charge_is_found_once(store: Store, tenant: Tenant) -> None:
    samples = struck("duplicate_charge", store, tenant)
    assert samples["billing_duplicate_charges_total"] == 1
    assert samples['billing_duplicate_charge_minor_units_total{currency="usd"}'] == 4900


def test_both_wrong_invoices_are_found(store: Store, tenant: Tenant) -> None:
    samples = struck("invoice_mismatch", store, tenant)
    assert samples['billing_invoice_checks_total{verdict="mismatch"}'] == 2
    assert len(store.findings(tenant="shop", since_at=0, limit=10)) == 2


def test_a_failure_spike_is_counted_once_per_charge(store: Store, tenant: Tenant) -> None:
    samples = struck("charge_failure_spike", store, tenant)
    assert total(samples, "billing_charge_failures_total") == 25
    assert samples["billing_charge_attempts_total"] == 25
    assert samples["billing_authentication_failures_total"] == 0


def test_a_fraud_spike_is_counted_once_per_dispute(store: Store, tenant: Tenant) -> None:
    samples = struck("fraud_spike", store, tenant)
    assert samples['billing_disputes_total{reason="fraudulent"}'] == samples["billing_disputes_open"] == 12
    assert samples["billing_early_fraud_warnings_total"] == 4


def test_a_drop_of_mrr_takes_away_what_nine_in_ten_members_paid(store: Store, tenant: Tenant) -> None:
    shop = Shop("shop", seed=1, started_at=START)
    told = [one for n in range(60) for one in shop.next(START + n) if "subscription" in one["type"]]
    known = []
    for events in (told, anomalies.strike("mrr_drop", shop, "shop", START + 60)):
        for delivery in deliveries("shop", events)[0]:
            ingest.receive(delivery.body, tenant, store, START + 60)
        known.append(counted(store))
    before, after = known
    assert total(after, "billing_mrr_minor_units") < total(before, "billing_mrr_minor_units") / 2
    more = sum(n for line, n in (after - before).items() if "mrr_movements" in line)
    assert more == len(events) > 10


def test_late_events_are_seen_as_late(store: Store, tenant: Tenant) -> None:
    samples = struck("webhook_lag", store, tenant)
    late = total(
        Counter({k: v for k, v in samples.items() if 'le="300.0"' in k}), "billing_webhook_lag_seconds_bucket"
    )
    assert late == samples["billing_webhook_lag_seconds_count"] > 0
    assert not any('le="120.0"' in line for line in samples)


@pytest.mark.parametrize("name", ["revenue_drop", "silent_lapse"])
def test_an_absence_posts_nothing(name: str) -> None:
    assert anomalies.play(name, "shop", START) == []
    assert anomalies.load(name).leaves != "open"
