"""A subscription was billed twice for the same time."""

from __future__ import annotations

from bw_exporter.config.check_settings import InvoiceCheckSettings
from bw_exporter.config.durations import render as duration
from bw_rules.toolkit.detector import VALUE, Runbook
from bw_rules.toolkit.finding import of_kind
from bw_rules.toolkit.thresholds import Base


class Thresholds(InvoiceCheckSettings, Base):
    """What the exporter takes for a double invoice, and how long the alert shows it."""


FINDING = of_kind("double_invoice")


def description(t: Thresholds) -> str:
    """How many, and what they are."""
    return (
        f"Double invoices found within {duration(t.hold)}: {VALUE}. Another invoice of the subscription asks for "
        "the same time, and both are due."
    )


DETECTOR = FINDING.detector(
    alert="BillingDoubleInvoice",
    summary="A subscription was billed twice for the same time.",
    description=description,
    runbook=Runbook(
        meaning="Two invoices of one subscription ask for the same time of the same item, both are due, and after "
        "`grace` neither was voided, written off or credited. Invoices with prorations or credits, of plan "
        "changes and revisions are not judged.",
        impact="A customer is asked to pay, or has paid, twice for the same months.",
        first="1. Read the finding (`bw-exporter findings --tenant ...`): it names both invoices and the period.\n"
        "2. Void the open one in Stripe, or refund the paid one.\n"
        "3. Does a program of yours make invoices beside Stripe's own schedule, or was the billing anchor moved?",
        tune="`grace` if your corrections come later. It acts in the exporter. `hold` is how long the alert stands.",
    ),
    title="Double invoices",
    normal=(
        "Double invoices when they were found. Normal: zero. Which: bw-exporter findings --tenant $tenant."
    ),
)
