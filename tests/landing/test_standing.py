from __future__ import annotations

from collections.abc import Callable

import pytest

from bw_exporter.metrics import catalog
from bw_exporter.metrics.family import Family
from bw_exporter.metrics.series import RaiseTo

from .site_in_process import NOW, Site

MINUTE, HOUR = 60, 3600
TENANTS = """
tenants:
  shop: {webhook_secret: whsec_a}
  quiet: {webhook_secret: whsec_b, detectors: {silent_lapse: {enabled: false}}}
  limited: {webhook_secret: whsec_c, detectors: {silent_lapse: {max_silence: 4h}}}
"""


@pytest.fixture
def shop(site: Callable[[str], Site]) -> Site:
    return site(TENANTS)


def test_a_tenant_that_nothing_came_to_is_not_reached_yet(shop: Site):
    assert shop.state("shop") == "Not reached yet"


def test_a_tenant_whose_events_are_counted_is_receiving(shop: Site):
    shop.accept("shop")
    assert shop.state("shop") == "Receiving"


def test_a_tenant_that_was_only_ever_refused_is_refused_however_long_ago(shop: Site):
    shop.refuse("shop")
    assert shop.state("shop") == "Refused"
    shop.now += 30 * 24 * HOUR
    assert shop.state("shop") == "Refused"


def test_refusals_after_the_last_valid_event_mean_that_nothing_comes_through_any_more(shop: Site):
    shop.accept("shop")
    shop.now += 10 * MINUTE
    shop.refuse("shop")
    assert shop.state("shop") == "Refused"
    shop.accept("shop")
    assert shop.state("shop") == "Partly refused"


def test_refusals_beside_valid_events_are_told_for_a_quarter_of_an_hour(shop: Site):
    shop.accept("shop")
    shop.refuse("shop", "rate_limited")
    assert shop.state("shop") == "Partly refused"
    shop.now += 16 * MINUTE
    assert shop.state("shop") == "Receiving"


def test_a_tenant_all_of_whose_events_are_ignored_is_ignored_until_one_is_applied(shop: Site):
    shop.accept("shop", 3)
    shop.count("shop", catalog.EVENTS_IGNORED, "wrong_mode", amount=2)
    assert shop.state("shop") == "Receiving"
    shop.count("shop", catalog.EVENTS_IGNORED, "connect")
    assert shop.state("shop") == "Ignored"
    shop.accept("shop")
    assert shop.state("shop") == "Receiving"


def test_a_body_that_is_no_event_does_not_hide_that_others_are_applied(shop: Site):
    shop.accept("shop")
    shop.count("shop", catalog.EVENTS_IGNORED, "malformed")
    shop.refuse("shop", "malformed")
    assert shop.state("shop") == "Partly refused"
    shop.now += HOUR
    assert shop.state("shop") == "Receiving"


@pytest.mark.parametrize("gauge", [catalog.LAST_DUPLICATE, catalog.LAST_MISMATCH])
def test_a_finding_is_told_for_a_day(shop: Site, gauge: Family):
    shop.accept("quiet")
    shop.store.write(lambda tx: tx.change("quiet", (RaiseTo(gauge, NOW),)))
    assert shop.state("quiet") == "Findings"
    shop.now += 24 * HOUR
    assert shop.state("quiet") == "Receiving"


def test_silence_is_told_once_it_is_longer_than_the_tenant_allows_and_not_where_it_is_off_or_up_to_prometheus(
    shop: Site,
):
    for tenant in ("shop", "quiet", "limited"):
        shop.accept(tenant)
    shop.now += 4 * HOUR
    assert shop.state("limited") == "Receiving"
    shop.now += 1
    assert shop.state("limited") == "Silent"
    assert shop.state("quiet") == shop.state("shop") == "Receiving"


def test_a_store_restored_from_a_backup_makes_no_refusal_look_new(shop: Site):
    shop.accept("shop")
    shop.refuse("shop", amount=9)
    shop.get()
    shop.now += HOUR
    shop.count("shop", catalog.WEBHOOK_REQUESTS, "bad_signature", amount=-8)
    assert shop.state("shop") == "Receiving"
    shop.refuse("shop")
    assert shop.state("shop") == "Refused"
