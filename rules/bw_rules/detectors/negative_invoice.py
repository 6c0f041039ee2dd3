"""An invoice asks for nothing or less."""

from __future__ import annotations

from bw_exporter.config.check_settings import InvoiceCheckSettings
from bw_exporter.config.durations import render as duration
from bw_rules.toolkit.detector import VALUE, Runbook
from bw_rules.toolkit.finding import of_kind
from bw_rules.toolkit.thresholds import Base


class Thresholds(InvoiceCheckSettings, Base):
    """What the exporter takes for a negative invoice, and how long the alert shows it."""


FINDING = of_kind("negative_invoice")


def description(t: Thresholds) -> str:
    """How many, and what they are."""
    return (
        f"Invoices of zero or less found within {duration(t.hold)}: {VALUE}. No proration, trial, coupon or credit "
        "explains them."
    )


DETECTOR = FINDING.detector(
    alert="BillingNegativeInvoice",
    summary="An invoice asks for nothing or less.",
    description=description,
    runbook=Runbook(
        meaning="An invoice's total is negative though its lines without prorations are negative too, or a "
        "renewal's total is zero though the subscription costs something: no trial, coupon, credit, proration or "
        "usage explains it.",
        impact="Service is given away, or money is credited to a customer, each period, until somebody sees it.",
        first="1. Read the finding (`bw-exporter findings --tenant ...`): it names the invoice, and what the "
        "subscription costs.\n"
        "2. Negative: who made the credit items on it, and is the sign right?\n"
        "3. Zero: is the customer's price right? Look at what was deployed, and at custom prices.",
        tune="`grace` if your subscription events come late. It acts in the exporter. `hold` is how long the "
        "alert stands.",
    ),
    title="Negative and zero invoices",
    normal=(
        "Negative and zero invoices when they were found. Normal: zero. Which: bw-exporter findings --tenant "
        "$tenant."
    ),
)
