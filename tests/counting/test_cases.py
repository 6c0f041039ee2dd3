"""Event cases kept outside this repository, where there are any: delivered in order, compared with their outcome.

`BW_EVENT_CASES` names the folder with cases.yaml and the event files; without it, one beside the checkout is used.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from bw_exporter import ingest
from bw_exporter.config.check_settings import DuplicateChargeSettings, InvoiceMismatchSettings
from support.books import Books, tenant

if TYPE_CHECKING:
    from bw_exporter.store import Store

FOLDER = Path(os.environ.get("BW_EVENT_CASES", Path(__file__).parents[3] / "shared" / "stripe-events"))
CASES = yaml.safe_load((FOLDER / "cases.yaml").read_text(encoding="utf-8")) if FOLDER.is_dir() else []

SUMS = {
    "duplicate_charges": ("billing_duplicate_charges_total", {}),
    "failures": ("billing_charge_failures_total", {}),
    "disputes": ("billing_disputes_total", {}),
    "inquiries": ("billing_inquiries_total", {}),
    "disputes_open": ("billing_disputes_open", {}),
    "early_fraud_warnings": ("billing_early_fraud_warnings_total", {}),
    "refund_count": ("billing_refunds_total", {}),
    "invoice_mismatches": ("billing_invoice_checks_total", {"verdict": "mismatch"}),
    "invoice_payment_failed": ("billing_invoice_payment_failures_total", {}),
    "pi_failures_without_charge": ("billing_authentication_failures_total", {}),
    "redeliveries_ignored": ("billing_events_ignored_total", {"reason": "redelivered"}),
    "wrong_mode": ("billing_events_ignored_total", {"reason": "wrong_mode"}),
    "connect_events": ("billing_events_ignored_total", {"reason": "connect"}),
    "thin_events": ("billing_events_ignored_total", {"reason": "thin"}),
    "malformed": ("billing_events_ignored_total", {"reason": "malformed"}),
    "unknown_types": ("billing_events_total", {"type": "other"}),
}
BY_LABEL = {
    "revenue": ("billing_revenue_minor_units_total", "currency"),
    "refunds": ("billing_refunded_minor_units_total", "currency"),
    "invoice_paid": ("billing_invoices_paid_minor_units_total", "currency"),
    "invoice_checks": ("billing_invoice_checks_total", "verdict"),
    "disputes_closed": ("billing_disputes_closed_total", "outcome"),
    "payouts": ("billing_payouts_total", "status"),
    "subscriptions": ("billing_subscriptions", "status"),
}


def unsigned(case: dict[str, Any]) -> list[bytes]:
    """The bodies of a case that a tenant's secret signs."""
    files = [each if isinstance(each, dict) else {"file": each} for each in case["events"]]
    return [(FOLDER / each["file"]).read_bytes() for each in files if each.get("sig") in (None, "rolled")]


def newest(bodies: list[bytes]) -> int:
    made = [event.get("created") for event in map(json.loads, bodies) if isinstance(event, dict)]
    return max([at for at in made if isinstance(at, int)], default=1_800_000_000)


@pytest.mark.skipif(not CASES, reason="no event cases beside this checkout")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_recorded_case_comes_out_as_its_index_says(store: Store, case: dict[str, Any]) -> None:
    detectors = {
        "duplicate_charge": DuplicateChargeSettings(window="10m", grace="3s"),
        "invoice_mismatch": InvoiceMismatchSettings(grace="3s"),
    }
    books = Books(store, tenant(detectors=detectors))
    bodies = unsigned(case)
    books.now = newest(bodies) + 60
    for body in bodies:
        ingest.receive(body, books.tenant, books.store, books.now)
    for _ in range(3):
        books.pass_time(4)
    for key, want in case["expect"].items():
        if key in SUMS:
            name, labels = SUMS[key]
            assert books.value(name, **labels) == want, key
        elif key in BY_LABEL:
            name, label = BY_LABEL[key]
            for value, amount in want.items():
                listed = "other" if value == "zzz" else value
                assert books.value(name, **{label: listed}) == amount, (key, value)
        elif key == "refunds_failed":
            assert books.value("billing_refund_failures_total") == len(want)
