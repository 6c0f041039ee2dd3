"""Which alerts the page of a tenant lists, and what it does not claim."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from bw_exporter.metrics import catalog
from bw_exporter.metrics.family import Family
from bw_exporter.metrics.series import Observe, RaiseTo
from bw_exporter.monitoring.landing import alerts
from bw_exporter.monitoring.landing.recent import REFUSED_WINDOW_SECONDS
from bw_exporter.monitoring.landing.rises import Rises
from bw_rules.detectors import DETECTORS, OFF_UNTIL_ASKED_FOR, THRESHOLDS
from bw_rules.groups import exporter_alerts
from bw_rules.groups.build import JOB, RUNBOOK_BASE

from .site_in_process import NOW, Outline, Site

MINUTE, HOUR = 60, 3600
TENANTS = """
tenants:
  shop: {webhook_secret: whsec_a, detectors: {silent_lapse: {max_silence: 4h}, webhook_lag: {min_events: 3}}}
  quiet: {webhook_secret: whsec_b, detectors: {silent_lapse: {enabled: false}, duplicate_charge: {enabled: false}}}
"""
WITH_API_KEY = [name for name, thresholds in THRESHOLDS.items() if thresholds.ASKS_STRIPE]
SEEN = ("BillingDuplicateCharge", "BillingInvoiceMismatch", "BillingSilentLapse", "BillingWebhookLag")


@pytest.fixture
def shop(site: Callable[[str], Site]) -> Site:
    one = site(TENANTS)
    one.recent.look_at_lag(one.store, one.tenants, NOW - HOUR)
    one.accept("shop")
    return one


def section(site: Site, tenant: str = "shop") -> str:
    page = site.get(f"/tenants/{tenant}").partition('<section id="alerts">')[2].partition("</section>")[0]
    return " ".join(Outline(page).text.split())


def holding(site: Site, tenant: str = "shop") -> list[str]:
    table = site.get(f"/tenants/{tenant}").partition('<section id="alerts">')[2].partition("</tbody>")[0]
    return re.findall(r'<th scope="row"><a href="[^"]+/(\w+)\.md"', table) if "<tbody>" in table else []


def late(site: Site, number: int, tenant: str = "shop", seconds: int = 31) -> None:
    for _ in range(number):
        site.store.write(lambda tx: tx.change(tenant, (Observe(catalog.WEBHOOK_LAG, seconds),)))


def test_every_alert_whose_condition_holds_is_listed_with_its_reason_and_its_runbook(shop: Site):
    for gauge in (catalog.LAST_DUPLICATE, catalog.LAST_MISMATCH):
        shop.store.write(lambda tx, gauge=gauge: tx.change("shop", (RaiseTo(gauge, NOW - 20 * MINUTE),)))
    late(shop, 3)
    assert holding(shop) == ["BillingDuplicateCharge", "BillingInvoiceMismatch", "BillingWebhookLag"]
    said = section(shop)
    assert (
        "BillingDuplicateCharge critical A duplicate charge was found 20 min ago; this stands for 1h." in said
    )
    assert "3 events within 15m took more than 30s to arrive; this fires from 3." in said
    page = shop.get("/tenants/shop")
    for alert in holding(shop):
        assert f'href="{RUNBOOK_BASE}/{alert}.md"' in page
    shop.now += 5 * HOUR
    assert holding(shop) == ["BillingSilentLapse"]
    assert "No event has come for 5 h; max_silence is 4h." in section(shop)


def test_what_only_prometheus_can_tell_is_never_called_clear(shop: Site):
    said = section(shop)
    assert "The exporter sees none whose condition holds." in said
    clear, unseen = said.partition("Do not hold ")[2].split(" Prometheus alone can tell ")
    for name, detector in DETECTORS.items():
        if name in OFF_UNTIL_ASKED_FOR:
            assert detector.alert not in said
            continue
        assert (detector.alert in clear) == (detector.alert in SEEN)
        assert (detector.alert in unseen) == (detector.alert not in SEEN and name not in WITH_API_KEY)
    assert "as many as usual, Prometheus alone can tell" in shop.get("/tenants/shop")


def test_a_detector_that_is_off_is_listed_nowhere(shop: Site):
    shop.accept("quiet")
    shop.store.write(lambda tx: tx.change("quiet", (RaiseTo(catalog.LAST_DUPLICATE, NOW),)))
    said = section(shop, "quiet")
    assert "BillingDuplicateCharge" not in said
    assert "BillingSilentLapse" not in said


@pytest.mark.parametrize(("gauge", "hold"), [(catalog.LAST_DUPLICATE, HOUR), (catalog.LAST_MISMATCH, HOUR)])
def test_a_finding_holds_as_long_as_its_alert(shop: Site, gauge: Family, hold: int):
    shop.store.write(lambda tx: tx.change("shop", (RaiseTo(gauge, NOW),)))
    shop.now += hold - 1
    assert len(holding(shop)) == 1
    shop.now += 1
    assert not holding(shop)


def test_a_tenant_that_was_never_heard_of_is_silent_from_when_it_was_set_up(site: Callable[[str], Site]):
    one = site(TENANTS)
    assert holding(one) == ["BillingSilentLapse"]
    assert "No event has come yet; max_silence is 4h." in section(one)


def test_late_events_count_within_the_window_alone_and_only_if_they_are_late(shop: Site):
    late(shop, 2)
    late(shop, 5, seconds=30)
    assert not holding(shop)
    shop.now += 14 * MINUTE
    late(shop, 1)
    assert holding(shop) == ["BillingWebhookLag"]
    shop.now += 2 * MINUTE
    assert not holding(shop)


def test_events_that_were_late_before_anybody_looked_are_not_taken_for_recent(site: Callable[[str], Site]):
    one = site(TENANTS)
    one.accept("shop")
    late(one, 9)
    assert "BillingWebhookLag" in section(one).partition("Prometheus alone can tell ")[2]
    one.recent.look_at_lag(one.store, one.tenants, NOW)
    assert "BillingWebhookLag" in section(one).partition("Prometheus alone can tell ")[2]
    one.now += 16 * MINUTE
    assert "BillingWebhookLag" in section(one).partition("Do not hold ")[2].partition("Prometheus alone")[0]


def test_the_lag_is_looked_at_of_tenants_that_got_events(shop: Site):
    shop.recent.look(shop.store, shop.now)
    shop.recent.look_at_lag(shop.store, shop.tenants, shop.now)
    shop.accept("shop")
    late(shop, 3)
    shop.recent.look(shop.store, shop.now)
    shop.recent.look_at_lag(shop.store, shop.tenants, shop.now)
    shop.now += 14 * MINUTE
    assert holding(shop) == ["BillingWebhookLag"]


def test_another_limit_of_lag_makes_no_old_event_look_late(shop: Site):
    late(shop, 9, seconds=20)
    assert not holding(shop)
    tenant = shop.tenants.by_id["shop"]
    detectors = dict(tenant.detectors)
    detectors["webhook_lag"] = detectors["webhook_lag"].model_copy(update={"max_lag": 10})
    tenants = replace(shop.tenants, all=(replace(tenant, detectors=detectors),))
    shop.config.replace(replace(shop.config.state, tenants=tenants))
    assert not holding(shop)


def test_refused_requests_hold_from_five_while_none_is_accepted(shop: Site):
    shop.now += HOUR
    shop.refuse("shop", amount=4)
    assert not holding(shop)
    shop.refuse("shop", "malformed")
    assert holding(shop) == ["BillingWebhookRefused"]
    assert "5 requests within 15m were refused, and none accepted." in section(shop)
    shop.accept("shop")
    assert "BillingWebhookRefused" in section(shop).partition("Prometheus alone can tell ")[2]
    shop.now += 16 * MINUTE
    assert (
        "BillingWebhookRefused" in section(shop).partition("Do not hold ")[2].partition("Prometheus alone")[0]
    )


def test_faults_of_the_exporter_are_listed_for_every_tenant(shop: Site):
    shop.not_ready = "the store is gone"
    shop.config.replace(replace(shop.config.state, last_reload_successful=False, problems=("x: y",)))
    assert holding(shop) == ["BillingStoreErrors", "BillingConfigReloadFailed"]
    assert "The store takes no writes: the store is gone" in section(shop)


def test_a_limit_that_follows_the_tenants_own_past_is_left_to_prometheus(shop: Site):
    @dataclass
    class Auto:
        max_silence: str = "auto"
        enabled: bool = True
        severity: str = "warning"

    tenant = shop.tenants.by_id["shop"]
    tenants = replace(
        shop.tenants, all=(replace(tenant, detectors={**tenant.detectors, "silent_lapse": Auto()}),)
    )
    seen = alerts.Seen(tenants.all[0], {}, shop.recent, NOW + 30 * 24 * HOUR)
    assert "BillingSilentLapse" in alerts.alerts(seen).unseen


def test_what_stripe_said_is_listed_for_a_tenant_with_an_api_key_alone(site: Callable[[str], Site]):
    one = site("""
tenants:
  shop: {webhook_secret: whsec_a, api_key: rk_live_0123456789abcdef}
  none: {webhook_secret: whsec_b}
""")
    for tenant in ("shop", "none"):
        one.accept(tenant)
    assert not any(alerts.alert_of(name) in section(one, "none") for name in WITH_API_KEY)
    unseen = section(one).partition("Prometheus alone can tell ")[2]
    assert all(alerts.alert_of(name) in unseen for name in WITH_API_KEY)
    one.store.write(lambda tx: tx.change("shop", (RaiseTo(catalog.CATCH_UP_SUCCESS, NOW),)))
    one.count("shop", catalog.ENDPOINT_ENABLED)
    clear = section(one).partition("Prometheus alone can tell ")[0]
    assert "BillingCatchUpFailing" in clear
    assert "BillingEndpointDisabled" in clear
    one.count("shop", catalog.ENDPOINT_ENABLED, amount=-1)
    assert holding(one) == ["BillingEndpointDisabled"]


def test_names_severities_and_numbers_are_those_of_the_rules():
    assert {alerts.alert_of(name) for name in DETECTORS} == {one.alert for one in DETECTORS.values()}
    ours = {one.name: one for one in exporter_alerts.alerts(JOB)}
    for name, severity, _ in alerts._EXPORTER_ALERTS:
        assert ours[name].severity == severity
    refused = exporter_alerts.REFUSED.delta_name(REFUSED_WINDOW_SECONDS)
    assert f'{refused}{{tenant!=""}} >= {alerts._LEAST_REFUSED}\n' in ours["BillingWebhookRefused"].expr


def test_rises_are_never_reported_too_large_and_take_little_memory():
    rises = Rises()
    rises.note("busy", 100, 0, 900, first=True)
    for second in range(1, 5000):
        rises.note("busy", 100 + second, second, 900)
        assert 900 - 900 // 16 - 1 <= rises.within("busy", second, 900) <= 900 or second < 900
    assert len(rises._changes["busy"]) <= 18
    rises.note("busy", 7, 5001, 900)
    assert rises.within("busy", 5001, 900) == 0, "a store that was put back"
    rises.note("busy", 9, 5002, 900)
    assert rises.within("busy", 5002, 900) == 2
    assert rises.within("busy", 5002 + 900, 900) == 0
    assert rises.within("never", 5002, 900) == 0
