from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bw_exporter.metrics.money import MINOR_UNITS
from bw_exporter.monitoring.landing import formats


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (1900, "usd", "19.00 USD"),
        (5, "eur", "0.05 EUR"),
        (-1234567, "usd", "-12,345.67 USD"),
        (1200, "jpy", "1,200 JPY"),
        (1234, "kwd", "1.234 KWD"),
        ("1999.5", "usd", "19.995 USD"),
        (900, "other", "900 minor units"),
        (900, None, "900 minor units"),
        ("nonsense", "usd", "nonsense"),
        ("Infinity", "usd", "Infinity minor units"),
    ],
)
def test_money_is_in_whole_units_of_its_currency_to_the_last_digit(amount: object, currency: str, text: str):
    assert formats.money(amount, currency) == text


@given(st.integers(-(10**15), 10**15), st.sampled_from(sorted(set(MINOR_UNITS) - {"other"})))
def test_no_minor_unit_is_lost_on_the_way(amount: int, currency: str):
    digits = formats.money(amount, currency).removesuffix(f" {currency.upper()}").replace(",", "")
    whole, _, fraction = digits.partition(".")
    assert 10 ** len(fraction) == MINOR_UNITS[currency]
    assert int(whole + fraction) == amount


def test_a_share_is_a_hundred_percent_only_where_it_is_all():
    assert formats.percent(999_999, 1_000_000) == "99.9%"
    assert formats.percent(3, 3) == "100.0%"
    assert formats.percent(0, 3) == "0.0%"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3599, "59 min"), (7200, "2 h"), (200_000, "2 d")],
)
def test_a_span_is_told_in_its_largest_unit(seconds: int, text: str):
    assert formats.span(seconds) == text


def test_a_moment_from_the_future_is_not_told_as_past_the_present():
    assert formats.ago(200, 100) == "0 s ago"


@pytest.mark.parametrize(("octets", "text"), [(9, "9 bytes"), (2048, "2.0 KiB"), (3 * 2**30, "3.0 GiB")])
def test_a_size_is_told_in_its_largest_unit(octets: int, text: str):
    assert formats.size(octets) == text


@given(st.integers())
def test_no_moment_is_out_of_reach(at: int):
    assert formats.moment(at).endswith(" UTC")
    assert formats.timestamp(at).endswith("Z")
