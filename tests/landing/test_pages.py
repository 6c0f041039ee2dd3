from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bw_exporter import DOCS_URL
from bw_exporter.facts import feeds
from bw_exporter.metrics import catalog
from bw_exporter.metrics.labels import IGNORED_REASONS, REQUEST_RESULTS
from bw_exporter.metrics.series import Observe
from bw_exporter.monitoring.landing.advice import IGNORED, REFUSED
from bw_rules.detectors import DETECTORS
from bw_rules.groups.build import RUNBOOK_BASE

from .site_in_process import NOW, Outline, Site

Make = Callable[[str], Site]

TOKEN = "6f1c0a9b8d7e6f5a4b3c2d1e"
TENANTS = f"""
defaults: {{detectors: {{webhook_lag: {{max_lag: 60s}}}}}}
tenants:
  prod: {{webhook_secret: [whsec_new, whsec_old], name: "Prod <b>&co",
    detectors: {{duplicate_charge: {{window: 10m}}}}}}
  client: {{webhook_secret: whsec_c, path_token: {TOKEN}, mode: test}}
"""


def text(page: str) -> str:
    return " ".join(Outline(page).text.split())


def test_the_overview_answers_first_how_many_tenants_need_a_look(site: Make):
    one = site(TENANTS)
    assert "<h1>Stripe has not reached any tenant yet" in one.get()
    one.accept("prod")
    assert "<h1>Events arrive; 1 of 2 tenants not reached yet" in one.get()
    one.accept("client")
    assert "<h1>Events of all 2 tenants arrive" in one.get()
    one.refuse("client")
    page = one.get()
    assert "<h1>1 of 2 tenants needs a look" in page
    assert "<title>1 of 2 tenants needs a look · BillingWatch Exporter</title>" in page
    assert page.index("tenants/client") < page.index("tenants/prod")


def test_a_newcomer_finds_the_url_to_paste_and_the_events_to_select(site: Make):
    page = text(site(TENANTS).get("/tenants/prod"))
    assert "https://hooks.example.com/webhooks/prod" in page
    assert "in live mode" in page
    for event in feeds.SELECT:
        assert event in page
    assert "in test mode" in text(site(TENANTS).get("/tenants/client"))


def test_no_secret_is_on_any_page(site: Make):
    one = site(TENANTS)
    for path in ("/", "/tenants/prod", "/tenants/client"):
        page = one.get(path)
        for secret in (TOKEN, TOKEN[:4], "whsec_new", "whsec_old", "whsec_c"):
            assert secret not in page


def test_each_refusal_is_told_with_its_time_and_the_way_out(site: Make):
    one = site(TENANTS)
    one.accept("prod")
    for result in REFUSED:
        one.refuse("prod", result, amount=1200)
    one.now += 120
    one.recent.look(one.store, one.now - 7)
    page = text(one.get("/tenants/prod"))
    for reason, way_out in REFUSED.values():
        assert f"{reason.capitalize()}" in page
        assert way_out in page
    assert page.count("1,200 7 s ago 2026-09-21") == len(REFUSED)


def test_a_refusal_of_before_the_start_is_dated_before_the_start(site: Make, tmp_path: Path):
    site(TENANTS).refuse("prod")
    page = text(site(TENANTS).get("/tenants/prod"))
    assert "before 2026-09-21 13:13:20 UTC" in page


def test_each_kind_of_ignored_event_is_told_with_the_way_out(site: Make):
    one = site(TENANTS)
    one.accept("prod", 10)
    for reason in IGNORED:
        one.count("prod", catalog.EVENTS_IGNORED, reason)
    page = text(one.get("/tenants/prod"))
    for _, way_out in IGNORED.values():
        assert way_out in page


def test_every_way_to_be_refused_or_ignored_has_a_sentence():
    assert set(REFUSED) == set(REQUEST_RESULTS) - {"accepted", "redelivered"}
    assert set(IGNORED) == set(IGNORED_REASONS)


def test_requests_for_no_tenant_are_told_where_somebody_waits_for_a_first_event(site: Make):
    one = site(TENANTS)
    one.count("", catalog.WEBHOOK_REQUESTS, catalog.UNKNOWN_TENANT, amount=7)
    assert "the URL at the endpoint is mistyped" in one.get()
    for tenant in ("prod", "client"):
        one.accept(tenant)
    page = one.get()
    assert "mistyped" not in page
    assert "Requests for no tenant 7, the last 0 s ago" in text(page)


def test_findings_are_told_in_sentences_with_money_in_whole_units_and_a_link_to_stripe(site: Make):
    one = site(TENANTS)
    link = "https://dashboard.stripe.com/payments/pi_2"
    one.find("prod", "duplicate_charge", {
        "charge": "ch_2", "duplicate_of": "ch_1", "amount": 123456, "currency": "usd",
        "charged_at": NOW - 60, "seconds_apart": 90, "link": link,
    })  # fmt: skip
    lines = [{"line": "il_1", "kind": "unit_price", "amount": 1500, "expected": "1200", "currency": "jpy"}]
    one.find("prod", "invoice_mismatch", {"invoice": "in_1", "subscription": "sub_1", "lines": lines})
    one.find("client", "of_tomorrow", {"what": "it says", "link": "javascript:alert(1)"})
    for page in (one.get(), one.get("/tenants/prod")):
        assert f'<a href="{link}" rel="noreferrer"><code>ch_2</code></a>' in page
        said = text(page)
        assert "1,234.56 USD" in said
        assert "1 min after the first charge. after ch_1, charged 2026-09-21 14:12:20 UTC" in said
        assert "Billed 1,500 JPY instead of 1,200 JPY: the unit price is not the subscription's." in said
        assert "+300 JPY in_1" in said
    page = one.get("/tenants/client")
    assert "of tomorrow what: it says" in text(page)
    assert "javascript:" not in page


def test_the_link_to_the_findings_asks_for_as_long_as_the_page_shows(site: Make):
    page = site(TENANTS).get()
    assert "in the last 7 days" in page
    assert 'href="./findings?since=7d"' in page


def test_the_lag_is_told_as_exact_counts_and_against_the_tenants_own_limit(site: Make):
    one = site(TENANTS)
    one.accept("prod", 4)
    for seconds in (0, 2, 61, 400_000):
        one.store.write(
            lambda tx, seconds=seconds: tx.change("prod", (Observe(catalog.WEBHOOK_LAG, seconds),))
        )
    page = text(one.get("/tenants/prod"))
    assert "50.0% of events within 1m; 1 d on average" in page
    assert "up to 1s 1 25.0%" in page
    assert "1m to 2m late 1 25.0%" in page
    assert "above 3d late 1 25.0%" in page
    assert "50.0% within 1m" in text(one.get())


def test_each_threshold_is_told_with_where_it_comes_from(site: Make):
    page = text(site(TENANTS).get("/tenants/prod"))
    assert "duplicate_charge critical, 1 setting of this tenant's own window 10m, grace 2m, hold 1h" in page
    assert "window 10m tenants.prod Two equal charges" in page
    assert "max_lag 1m defaults An event may take" in page
    assert "max_silence auto built in" in page
    assert "Signing secrets 2; a signature by any of them is valid" in page


def test_the_runbooks_linked_are_those_of_the_alerts(site: Make):
    page = site(TENANTS).get("/tenants/prod")
    assert f"{DOCS_URL}/runbooks" == RUNBOOK_BASE
    for detector in DETECTORS.values():
        assert f"{RUNBOOK_BASE}/{detector.alert}.md" in page


def test_an_operator_sees_what_is_in_force_and_why_a_reload_failed(site: Make):
    one = site(TENANTS)
    assert "loaded 2026-09-21 14:12:20 UTC (1 min ago); the last reload succeeded" in text(one.get())
    problem = "tenants.prod.mode: must be live or test"
    one.config.replace(replace(one.config.state, last_reload_successful=False, problems=(problem,)))
    one.not_ready = "the store is gone; put it back"
    page = text(one.get())
    assert "The last reload failed What was loaded 1 min ago is still in force." in page
    assert problem in page
    assert "The store takes no writes the store is gone; put it back" in page


def test_of_thousands_of_tenants_one_page_shows_fifty_the_troubled_first_and_finds_any_other(site: Make):
    names = "".join(f"  t{number:04}: {{webhook_secret: whsec_a}}\n" for number in range(2000))
    one = site(f"tenants:\n{names}")
    one.refuse("t1999")
    page = one.get()
    assert page.count('<th scope="row"') == 50
    assert len(page) < 80_000
    assert page.index("tenants/t1999") < page.index("tenants/t0000")
    assert "1 to 50 of 2,000, those in trouble first" in page
    assert "Page 40 of 40" in one.get("/?page=40")
    assert "Page 40 of 40" in one.get("/?page=99999")
    assert "tenants/t1234" in one.get("/?q=T1234")
    found = one.get("/?state=refused")
    assert found.count('<th scope="row"') == 1
    assert 'href="./?state=waiting&amp;page=2"' in one.get("/?state=waiting")


def test_a_question_that_makes_no_sense_is_answered_with_everything(site: Make):
    one = site(TENANTS)
    for question in (
        "page=0",
        "page=-1",
        "page=many",
        "page=٣",
        "state=none",
        "q=%ff%00",
        f"page={'9' * 5000}",
    ):
        one.get(f"/?{question}")
    assert one.get("/?page=0&state=none").count('<th scope="row"') == 2
    assert "No tenant matches" in one.get("/?q=nobody")


def test_a_tenant_that_is_not_in_the_file_is_answered_404_with_the_way_back(site: Make):
    answer = site(TENANTS).ask("/tenants/%3Cb%3E")
    assert answer.status_code == 404
    assert "No tenant is called <bdi>&lt;b&gt;</bdi>" in answer.text
    assert '<a href="../">All tenants</a>' in answer.text


def test_no_page_may_be_framed_cached_scripted_or_told_to_others(site: Make):
    one = site(TENANTS)
    for path in ("/", "/tenants/prod", "/tenants/nobody"):
        headers = one.ask(path).headers
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Frame-Options"] == "deny"
        assert headers["Referrer-Policy"] == "no-referrer"
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'self'; img-src 'self';")
        assert "unsafe" not in policy
        assert "script" not in policy
        page = one.ask(path).text
        assert "<script" not in page
        assert "style=" not in page
