"""An installation of the version before rules judged by evidence, taken up by this one: each file as it was left."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from bw_exporter import housekeeping
from bw_exporter.config import tenants
from bw_exporter.config.tenants import Tenants
from bw_exporter.store import open_store
from bw_rules.detectors import DETECTORS, THRESHOLDS
from bw_rules.groups import build
from bw_rules.render import alertmanager, prometheus
from bw_rules.verify import tools
from support.books import Books, tenant

INSTALLATION = Path(__file__).parent / "installation"
LEFT_AT = 1_796_099_850
"""When the older exporter was stopped."""


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    path = tmp_path / "store.db"
    connection = sqlite3.connect(path)
    connection.executescript((INSTALLATION / "store.sql").read_text())
    connection.close()
    store = open_store(f"sqlite:///{path}")
    opened = Books(store, tenant(mode="test"))
    opened.now = LEFT_AT
    yield opened
    store.close()


@pytest.fixture
def config() -> Tenants:
    return tenants.load(str(INSTALLATION / "tenants.yaml"), detectors=THRESHOLDS, read_secrets=False)


def test_what_the_older_exporter_counted_stands(books: Books):
    scraped = {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families((INSTALLATION / "metrics.txt").read_text())
        for sample in family.samples
        if sample.value and "prod" in sample.labels.values() and sample.name != "billing_tenant_info"
    }
    assert len(scraped) > 30
    stands = books.everything()
    assert {key: stands.get(key) for key in scraped} == scraped


def test_what_is_new_begins_at_0_for_a_tenant_of_before(books: Books):
    text = b"\n".join(lines for _, lines in books.store.families(["prod"])).decode()
    assert 'billing_findings_total{tenant="prod",kind="double_invoice"} 0' in text
    assert 'billing_events_caught_up_total{tenant="prod"} 0' in text


def test_a_check_that_the_older_exporter_deferred_is_resolved(books: Books):
    assert books.value("billing_duplicate_charges_total") == 0
    housekeeping.resolve_due(books.store, LEFT_AT + 600)
    assert books.value("billing_duplicate_charges_total") == 1
    assert [one.kind for one in books.store.findings(tenant="prod", since_at=0, limit=9)] == [
        "duplicate_charge"
    ]


def test_an_event_that_the_older_exporter_counted_is_counted_no_more(books: Books):
    again = books.event("charge.succeeded", {"object": "charge", "id": "ch_again"})
    again |= {"id": "evt_B1pcO1bjQyehXDl6JCO5jU1C", "created": 1_796_099_831}
    before = books.everything()
    assert books.deliver(again) == ["redelivered"]
    after = books.everything()
    ignored = ("billing_events_ignored_total", frozenset({("tenant", "prod"), ("reason", "redelivered")}))
    assert after[ignored] == 1
    counters = [key for key in before if key[0].endswith("_total") and key[0].startswith("billing_")]
    assert len(counters) > 10
    assert {key: after[key] for key in counters} == {key: before[key] for key in counters}


def test_its_tenants_yaml_renders_every_alert_of_before(config: Tenants):
    old = yaml.safe_load((INSTALLATION / "billing.rules.yml").read_text())
    new = yaml.safe_load(prometheus.render(build.groups(config, build.Settings()), "tenants.yaml"))
    assert _alerts(old) <= _alerts(new)


def test_its_routing_brings_a_new_alert_to_the_tenants_receivers(config: Tenants, tmp_path: Path):
    amtool = tools.find("amtool")
    if amtool is None:
        pytest.skip("no amtool")
    today = tmp_path / "alertmanager.yml"
    today.write_text(alertmanager.render(alertmanager.routing(config, (0, 25)), "tenants.yaml"))
    for owner in ("prod", "client-acme", "sandbox"):
        for name in ("payout_failed", "dispute_deadline"):
            labels = [
                f"tenant={owner}", f"alertname={DETECTORS[name].alert}", f"detector={name}", "severity=critical",
            ]  # fmt: skip
            then, now = (
                tools.run(amtool, "config", "routes", "test", f"--config.file={file}", *labels)
                for file in (INSTALLATION / "alertmanager.yml", today)
            )
            assert then == now
            assert then[0] == 0


def _alerts(file: dict[str, list[dict[str, list[dict[str, str]]]]]) -> set[str]:
    return {rule["alert"] for group in file["groups"] for rule in group["rules"] if "alert" in rule}
