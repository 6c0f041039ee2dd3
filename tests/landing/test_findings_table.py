"""What `bw-exporter findings` prints."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bw_exporter.monitoring.findings_table import FORMATS
from bw_exporter.store import Finding

NOW = 1_790_000_000
FORMULAS = ("=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "=cmd|'/c calc'!A0", "-", "+")


def finding(**details: object) -> Finding:
    return Finding(NOW, "shop", "duplicate_charge", details)


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_of_the_csv_is_run_by_a_spreadsheet(text: str):
    (row,) = csv.DictReader(io.StringIO(FORMATS["csv"]([finding(charge=text, **{text: "x"})])))
    shown = f"'{text}".replace("\r", " ")
    assert row["charge"] == shown
    assert shown in row


@given(st.text(max_size=20))
def test_whatever_a_finding_holds_no_cell_begins_like_a_formula(text: str):
    (row,) = csv.DictReader(io.StringIO(FORMATS["csv"]([finding(charge=text)]), newline=""))
    assert row["charge"].removeprefix("'") in (text.replace("\r", " "), text.removeprefix("'"))
    assert not row["charge"].startswith(("=", "@", "\t", "\r", "\n"))


def test_amounts_below_zero_stay_numbers():
    (row,) = csv.DictReader(io.StringIO(FORMATS["csv"]([finding(amount=-5, expected="-12.50")])))
    assert (row["amount"], row["expected"]) == ("-5", "-12.50")


def test_the_table_reads_as_the_page_does():
    details = {
        "charge": "ch_2", "duplicate_of": "ch_1", "amount": 3900, "currency": "usd",
        "charged_at": NOW - 60, "seconds_apart": 90, "link": "https://dashboard.stripe.com/payments/pi_2",
    }  # fmt: skip
    assert FORMATS["table"]([finding(**details)]).splitlines() == [
        "FOUND AT                 TENANT  WHAT              AT STAKE",
        "2026-09-21 14:13:20 UTC  shop    Duplicate charge  39.00 USD",
        "    The same payer was charged the same amount again, 1 min after the first charge.",
        "    ch_2, after ch_1, charged 2026-09-21 14:12:20 UTC",
        "    https://dashboard.stripe.com/payments/pi_2",
    ]


@given(st.text(max_size=20))
def test_nothing_in_a_finding_is_obeyed_by_a_terminal(text: str):
    for kind in ("duplicate_charge", "invoice_mismatch", text):
        printed = FORMATS["table"]([Finding(NOW, text, kind, {"charge": text, "invoice": text, text: text})])
        assert all(each.isprintable() or each == "\n" for each in printed)
