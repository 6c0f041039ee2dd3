"""The pages of a running exporter in a real browser, at a phone's width and a desk's, in light and dark."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import product

import pytest

from bw_exporter import DOCS_URL
from bw_simulator.sender import sign
from support.exporter import RunningExporter, ask, event, eventually
from support.patience import limit

from .chromium import Chromium, Page

TENANTS = """
defaults: {detectors: {duplicate_charge: {grace: 0}}}
tenants:
  shop: {name: Corner Books, webhook_secret: whsec_shop}
  mistaken: {name: "Söhne <b>& Co", webhook_secret: whsec_right, path_token: 6f1c0a9b8d7e6f5a4b3c2d1e}
  sandbox: {webhook_secret: whsec_sandbox, mode: test}
  newcomer: {webhook_secret: whsec_newcomer}
"""
PATHS = (
    "/",
    "/tenants/shop",
    "/tenants/mistaken",
    "/tenants/sandbox",
    "/tenants/newcomer",
    "/?state=ok&q=none",
)
PHONE, DESK = (390, 844), (1280, 800)

CONTRASTS = """(() => {
  const rgb = text => text.match(/[\\d.]+/g).map(Number);
  const light = colour => rgb(colour).slice(0, 3).map(c => c / 255)
    .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = it => { for (; it; it = it.parentElement) {
    const colour = getComputedStyle(it).backgroundColor; if (rgb(colour)[3] !== 0) return colour; }
    return getComputedStyle(document.body).backgroundColor };
  const found = [];
  for (const it of document.querySelectorAll('body *')) {
    if (![...it.childNodes].some(node => node.nodeType === 3 && node.data.trim())) continue;
    const [a, b] = [light(getComputedStyle(it).color), light(behind(it))].sort();
    found.push([(b + 0.05) / (a + 0.05), it.tagName + '.' + it.className + ': ' + it.textContent.trim().slice(0, 40)]);
  }
  return found.sort((a, b) => a[0] - b[0]).slice(0, 3) })()"""
"""Contrast of each text with what is behind it, the weakest first, as WCAG 2 computes it."""

LINKS = "[...document.links].map(link => link.href)"
WIDTH = "document.documentElement.scrollWidth"
FOCUS = """(() => { const it = document.activeElement, style = getComputedStyle(it), box = it.getBoundingClientRect();
  return [it.textContent.trim(), style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
          box.left >= 0 && box.top >= 0 && box.right <= innerWidth] })()"""


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningExporter]:
    """One exporter with a shop at work, a wrong secret, events of the wrong mode, and one nobody has reached."""
    with RunningExporter(
        tmp_path_factory.mktemp("exporter"), TENANTS, "--web.webhook-url", "https://hooks.example.com"
    ) as one:
        one.ready()
        assert one.get("/").status == 200  # from now on refusals are dated
        command = [
            sys.executable, "-m", "bw_exporter", "simulate", "--config.file", str(one.config),
            "--url", f"http://127.0.0.1:{one.public}", "--web.metrics-address", f"127.0.0.1:{one.private}",
            "--tenant", "shop", "--rate", "60", "--duration", "2s",
            "--anomaly", "duplicate_charge", "--quiet",
        ]  # fmt: skip
        subprocess.run(command, check=True, timeout=limit(60), stdout=subprocess.DEVNULL)
        for number in range(3):
            assert one.send(number, tenant="6f1c0a9b8d7e6f5a4b3c2d1e", secret="whsec_wrong").status == 400
        assert one.send(9, tenant="sandbox", secret="whsec_sandbox").status == 200
        eventually(lambda: json.loads(one.get("/findings?tenant=shop").text)["findings"])
        eventually(lambda: "wrong signing secret, " in one.get("/").text)
        yield one


@pytest.fixture(scope="module")
def base(exporter: RunningExporter) -> str:
    return f"http://127.0.0.1:{exporter.private}"


def text(page: Page) -> str:
    return " ".join(str(page.value("document.body.innerText")).split())


@pytest.mark.parametrize(("size", "dark"), list(product((PHONE, DESK), (False, True))))
def test_every_page_is_quiet_keeps_to_itself_fits_and_can_be_read(
    browser: Chromium, base: str, size: tuple[int, int], *, dark: bool
):
    page = browser.page(*size, dark=dark)
    backgrounds = set()
    for path in PATHS:
        page.go(base + path)
        page.value("document.querySelectorAll('details').forEach(each => each.open = true)")
        # Not innerWidth, which a phone lets grow with what is too wide.
        assert page.value(WIDTH) <= size[0], path
        weakest = page.value(CONTRASTS)
        assert weakest[0][0] >= 4.5, (path, weakest)
        backgrounds.add(page.value("getComputedStyle(document.body).backgroundColor"))
    page.settled()
    assert page.complaints == []
    assert {url for url in page.requested if not url.startswith(f"{base}/")} == set()
    assert any(url.endswith(".css") for url in page.requested)
    assert backgrounds == {"rgb(15, 19, 24)" if dark else "rgb(246, 247, 249)"}


def test_every_link_leads_somewhere(browser: Chromium, base: str, exporter: RunningExporter):
    page = browser.page(*DESK)
    links = set()
    for path in PATHS:
        page.go(base + path)
        links |= set(page.value(LINKS))
    own = {link.removeprefix(base).partition("#")[0] for link in links if link.startswith(f"{base}/")}
    assert {"/", "/metrics", "/findings?since=7d", "/-/ready", "/-/healthy", "/tenants/shop"} <= own
    assert {path: exporter.get(path).status for path in own} == dict.fromkeys(own, 200)
    strange = {link for link in links if not link.startswith((f"{base}/", f"{DOCS_URL}/"))}
    assert strange
    assert all(link.startswith("https://dashboard.stripe.com/payments/pi_") for link in strange)


def test_a_newcomer_whose_secret_is_wrong_is_told_so_and_finds_the_way_out_with_one_click(
    browser: Chromium, base: str
):
    page = browser.page(*PHONE)
    page.go(base)
    assert page.value("document.querySelector('h1').innerText") == "3 of 4 tenants need a look"
    assert "Söhne <b>& Co" in text(page)
    assert "Refused wrong signing secret, " in text(page).replace("✕ ", "")
    page.click('a[href$="tenants/mistaken"]')
    assert page.value("location.pathname") == "/tenants/mistaken"
    assert "The secret in tenants.yaml is not the one of this endpoint." in text(page)
    assert "https://hooks.example.com/webhooks/PATH_TOKEN" in text(page)
    assert "6f1c" not in page.value("document.documentElement.outerHTML")


def test_one_who_sends_events_of_the_other_mode_is_told_that_none_is_counted(browser: Chromium, base: str):
    page = browser.page(*PHONE)
    page.go(f"{base}/tenants/sandbox")
    assert "Events come, validly signed, and none of them is counted." in text(page)
    assert "Test-mode events at a live tenant, or live ones at a test tenant." in text(page)


def test_whom_an_alert_wakes_sees_which_charge_was_made_twice_and_gets_to_stripe(
    browser: Chromium, base: str
):
    page = browser.page(*PHONE)
    page.go(base)
    page.click('a[href$="tenants/shop"]')
    said = page.value("document.querySelector('.findings tbody tr').innerText")
    assert "Duplicate charge" in said
    link = "document.querySelector('.findings tbody .stripe a')"
    assert page.value(f"{link}.href").startswith("https://dashboard.stripe.com/")
    box = page.value(f"(box => [box.left, box.right])({link}.getBoundingClientRect())")
    assert 0 <= box[0] < box[1] <= PHONE[0]


def test_all_of_it_works_without_scripts(browser: Chromium, base: str):
    page = browser.page(*DESK, script=False)
    page.go(base)
    page.click('.chips a[href*="state=refused"]')
    assert page.value("document.querySelectorAll('.tenants tbody tr').length") == 1
    page.click(".home")
    page.value(
        "document.querySelector('input').value = 'COFF' && (document.querySelector('input').value = 'Books')"
    )
    page.click("form button")
    assert "q=Books" in page.value("location.search")
    assert page.value("document.querySelector('.tenants tbody th a').innerText") == "Corner Books"
    page.click(".tenants a")
    assert page.value("location.pathname") == "/tenants/shop"
    page.settled()
    assert page.complaints == []


def test_who_has_a_keyboard_alone_sees_where_the_focus_is(browser: Chromium, base: str):
    page = browser.page(*DESK)
    page.go(base)
    seen = []
    for _ in range(9):
        page.press("Tab", 9)
        seen.append(page.value(FOCUS))
    assert seen[0][0] == "Skip to the answer"
    assert [name for name, _, _ in seen[1:4]] == ["BillingWatch Exporter", "Metrics", "Findings"]
    assert all(outlined and inside for _, outlined, inside in seen), seen


def test_a_table_is_still_one_to_a_screen_reader_where_it_is_laid_out_as_cards(browser: Chromium, base: str):
    page = browser.page(*PHONE)
    page.go(base)
    nodes = page.ask("Accessibility.getFullAXTree")["nodes"]
    roles = [node["role"]["value"] for node in nodes if not node["ignored"]]
    assert roles.count("table") == 2
    assert roles.count("rowheader") == 4
    assert {"columnheader", "row", "cell", "heading", "search", "navigation", "main"} <= set(roles)


def test_a_refusal_is_on_the_page_within_seconds(browser: Chromium, base: str, exporter: RunningExporter):
    page = browser.page(*PHONE)
    page.go(f"{base}/tenants/newcomer")
    assert "No request has come to this tenant's address." in text(page)
    body = event("late")
    late = sign(body, "whsec_newcomer", int(time.time()) - 600)
    assert ask(exporter.public, "POST", "/webhooks/newcomer", body, {"Stripe-Signature": late}).status == 400
    eventually(lambda: "signed too long ago" in exporter.get("/").text)
    page.go(f"{base}/tenants/newcomer")
    assert "Check the clock (timedatectl)" in text(page)
