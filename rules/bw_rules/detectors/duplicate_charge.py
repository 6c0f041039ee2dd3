"""The same amount taken from the same payer again within minutes."""

from __future__ import annotations

from bw_exporter.config.check_settings import DuplicateChargeSettings
from bw_exporter.config.durations import render as duration
from bw_exporter.metrics import catalog
from bw_rules.toolkit.detector import VALUE, Runbook
from bw_rules.toolkit.finding import Finding
from bw_rules.toolkit.promql import HOUR, counter
from bw_rules.toolkit.thresholds import Base, Severity


class Thresholds(DuplicateChargeSettings, Base):
    """What the exporter takes for a duplicate, and how long the alert shows it."""

    severity: Severity = "critical"


FOUND = counter(catalog.DUPLICATE_CHARGES, bridge=6 * HOUR)
FINDING = Finding(FOUND, catalog.LAST_DUPLICATE, catalog.DUPLICATE_CHARGES)


def description(t: Thresholds) -> str:
    """How many, and where they are listed."""
    return (
        f"Duplicate charges found within {duration(t.hold)}: {VALUE}. The same payer was charged the same "
        f"amount again within {duration(t.window)}, and nothing explained it within {duration(t.grace)}."
    )


DETECTOR = FINDING.detector(
    alert="BillingDuplicateCharge",
    summary="A customer was charged twice.",
    description=description,
    runbook=Runbook(
        meaning="The same payer was charged the same amount in the same currency again within `window`, both charges "
        "succeeded, and by the end of `grace` nothing explained it: the first was not refunded in full before the "
        "second was made, they did not pay two invoices or two parts of one, and were not made with two different "
        "cards.",
        impact="A customer paid twice. Without a refund this becomes a dispute, with its fee.",
        first="1. Read the finding (`bw-exporter findings --tenant …`): it names both charges and links to Stripe.\n"
        "2. Did one order make both? Then refund the second one.\n"
        "3. Several at once point at a retry without an idempotency key, or a double click; look at what was deployed.",
        tune="`window` if your customers buy the same thing twice in minutes, `grace` if the events that explain "
        "a second charge come late. `distinct_metadata: [order_id]` where your shop writes on a charge what it is for. "
        "These act in the exporter. `hold` is how long the alert stands.",
    ),
    title="Duplicate charges",
    normal=(
        "The same amount taken again from the same payer, and not given back. Normal: zero. Which charges: "
        "bw-exporter findings --tenant $tenant."
    ),
)
