"""What the page of a tenant with an API key says of Stripe's side."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bw_exporter import probed
from bw_exporter.metrics import catalog
from bw_exporter.metrics.series import RaiseTo
from bw_exporter.stripe_api.probe import Check

from .site_in_process import NOW, Site

CONFIG = """
tenants:
  shop: {webhook_secret: whsec_a, api_key: rk_live_0123456789abcdef}
  none: {webhook_secret: whsec_b}
"""


@pytest.fixture
def shop(site: Callable[[str], Site]) -> Site:
    return site(CONFIG)


def section(shop: Site, tenant: str = "shop") -> str:
    page = shop.get(f"/tenants/{tenant}")
    return page.partition('<section id="stripe-api">')[2].partition("</section>")[0]


def test_a_tenant_without_a_key_has_no_such_section_and_a_key_is_never_shown(shop: Site) -> None:
    assert section(shop, "none") == ""
    assert "has not succeeded yet" in section(shop)
    assert "has not been looked at yet" in section(shop)
    assert "rk_live" not in shop.get("/tenants/shop")


def test_it_says_whether_catch_up_works_and_what_failed(shop: Site) -> None:
    shop.store.write(lambda tx: tx.change("shop", (RaiseTo(catalog.CATCH_UP_SUCCESS, NOW - 60),)))
    shop.count("shop", catalog.EVENTS_CAUGHT_UP, amount=3)
    shop.count("shop", catalog.ENDPOINT_ENABLED)
    assert "works: every 2 min" in section(shop)
    assert "3 events that no webhook had brought" in section(shop)
    assert "<dd>enabled</dd>" in section(shop)
    shop.count("shop", catalog.CATCH_UP_ERRORS, "rate_limited", amount=2)
    shop.count("shop", catalog.ENDPOINT_ENABLED, amount=-1)
    shop.now += 3600
    assert "has not succeeded since" in section(shop)
    assert "rate limited 2" in section(shop)
    assert "disabled, or gone" in section(shop)


def test_it_shows_the_last_probe_with_what_to_do_and_nothing_of_stripes_becomes_markup(shop: Site) -> None:
    found = [
        Check("key", "works, live mode"),
        Check(
            "payouts", "<b>not allowed</b>", "let the key read this: https://dashboard.stripe.com/x?a=1&b=2"
        ),
    ]
    probed.keep(shop.store, "shop", found, NOW - 7200)
    said = section(shop)
    assert "as seen 2 h ago: 1 to do" in said
    assert "&lt;b&gt;not allowed&lt;/b&gt;" in said
    assert 'href="https://dashboard.stripe.com/x?a=1&amp;b=2"' in said
    probed.keep(shop.store, "shop", found[:1], NOW)
    assert "all is well" in section(shop)
