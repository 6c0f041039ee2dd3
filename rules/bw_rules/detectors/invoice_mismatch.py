"""An invoice asks for another amount than its subscription says."""

from __future__ import annotations

from bw_exporter.config.check_settings import InvoiceMismatchSettings
from bw_exporter.config.durations import render as duration
from bw_exporter.metrics import catalog
from bw_rules.toolkit.detector import VALUE, Runbook
from bw_rules.toolkit.finding import Finding
from bw_rules.toolkit.promql import HOUR, counter
from bw_rules.toolkit.thresholds import Base


class Thresholds(InvoiceMismatchSettings, Base):
    """What the exporter takes for a mismatch, and how long the alert shows it."""


FOUND = counter(
    catalog.INVOICE_CHECKS, where='verdict="mismatch"', bridge=6 * HOUR, name="billing_invoice_mismatches"
)
FINDING = Finding(FOUND, catalog.LAST_MISMATCH, catalog.INVOICE_CHECKS, 'verdict="mismatch"')


def description(t: Thresholds) -> str:
    """How many, and where they are listed."""
    return (
        f"Mismatched invoices found within {duration(t.hold)}: {VALUE}. They ask for another amount than "
        f"their subscription says, by more than {t.tolerance} minor units a line beyond rounding."
    )


DETECTOR = FINDING.detector(
    alert="BillingInvoiceMismatch",
    summary="An invoice asks for another amount than its subscription.",
    description=description,
    runbook=Runbook(
        meaning="A recurring line of an invoice differs from price and quantity of its subscription by more than "
        "rounding and `tolerance` allow. Invoices that cannot be judged surely (metered, tiered, …) are abstained from "
        "and counted in `billing_invoice_abstentions_total`.",
        impact="A customer is billed too much or too little, each period, until somebody sees it.",
        first="1. Read the finding (`bw-exporter findings --tenant …`): it names invoice, expected and actual amount.\n"
        "2. Was the subscription's price or quantity changed just before the invoice?\n"
        "3. Does a coupon, tax or proration explain the difference? Then it is a fault of the check: please report it.",
        tune="`tolerance` in minor units a line; `grace` if your subscription events come late. Both act in the "
        "exporter. `hold` is how long the alert stands.",
    ),
    title="Invoice mismatches",
    normal=(
        "Invoices that ask for another amount than their subscription says. Normal: zero. Which invoices: "
        "bw-exporter findings --tenant $tenant."
    ),
)
