from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .site_in_process import Outline, Site

DAY = 86_400
WILD = st.text(st.characters(codec="utf-8"), max_size=30) | st.sampled_from(
    [
        "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "' onmouseover='x", "&lt;b&gt;", "{{ 7 * 7 }}",
        "{% raw %}", "</title><b>", "</table>", "\u202egnp", "javascript:alert(1)",
    ]
)  # fmt: skip
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | WILD,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WILD, inner, max_size=3),
    max_leaves=6,
)
LINES = st.lists(
    st.dictionaries(st.sampled_from("line kind amount expected currency".split()), ANYTHING), max_size=7
)
NAMES = st.sampled_from(
    "charge duplicate_of amount currency charged_at seconds_apart link lines invoice subscription".split()
)
TAGS = frozenset(
    "html head meta title link body a header img nav main h1 h2 h3 section p ul ol li code form label input button"
    " table caption thead tr th tbody td br span bdi strong details summary dl dt dd time footer svg rect var".split()
)
ATTRIBUTES = frozenset(
    "lang charset name content rel href type class src alt width height aria-label id scope aria-hidden data-label"
    " datetime role action value placeholder aria-current open viewbox preserveaspectratio".split()
)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("site"), "tenants: {shop: {webhook_secret: whsec_a}}")
    site.refuse("shop")
    yield site
    site.store.close()


def elements(shop: Site, name: str, label: str, wanted: str) -> list[tuple[str, tuple[str, ...]]]:
    """Return the elements of all pages of a tenant that bears these texts."""
    tenants = shop.config.state.tenants
    tenant = replace(tenants.all[0], name=name, labels={"team": label})
    shop.config.replace(
        replace(shop.config.state, tenants=replace(tenants, all=(tenant,)), problems=(label,))
    )
    pages = [shop.get(), shop.get("/tenants/shop"), shop.ask(f"/tenants/{quote(wanted, safe='')}").text]
    return [element for page in pages for element in Outline(page).elements]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(WILD, WILD, WILD)
def test_no_name_label_or_address_becomes_markup(shop: Site, name: str, label: str, wanted: str):
    wild = elements(shop, f"x{name}", f"x{label}", f"x{wanted.replace('/', '')}")
    assert wild == elements(shop, "plain", "plain", "plain")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(["duplicate_charge", "invoice_mismatch", "of_tomorrow"]) | WILD,
    st.dictionaries(NAMES | WILD, ANYTHING | LINES, max_size=6),
)
def test_no_finding_becomes_markup_or_takes_the_page_down(shop: Site, kind: str, details: dict[str, Any]):
    shop.now += 91 * DAY
    shop.find("shop", kind, details)
    for path in ("/", "/tenants/shop"):
        outline = Outline(shop.get(path))
        assert {tag for tag, _ in outline.elements} <= TAGS
        assert {name for _, names in outline.elements for name in names} <= ATTRIBUTES
