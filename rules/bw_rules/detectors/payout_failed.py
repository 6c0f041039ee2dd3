"""A payout to the bank account failed."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bw_exporter.config.durations import render as duration
from bw_exporter.metrics import catalog
from bw_rules.toolkit.detector import VALUE, Detector, Runbook
from bw_rules.toolkit.finding import Finding
from bw_rules.toolkit.panel import Panel
from bw_rules.toolkit.promql import HOUR, counter
from bw_rules.toolkit.thresholds import Base, DurationBetween


class Thresholds(Base):
    """How long the alert shows a failed payout."""

    hold: Annotated[int, DurationBetween("1m", "7d")] = Field(
        3600, description="How long the alert stands after a payout failed."
    )


FAILED = counter(catalog.PAYOUTS, where='status="failed"', bridge=6 * HOUR, name="billing_payouts_failed")
FINDING = Finding(FAILED, None, catalog.PAYOUTS, 'status="failed"')


def description(t: Thresholds) -> str:
    """How many, and that Stripe stops there."""
    return (
        f"Payouts that failed within {duration(t.hold)}: {VALUE}. The bank sent the money back to Stripe, which pays "
        "nothing more to that account until it is changed."
    )


DETECTOR = Detector(
    alert="BillingPayoutFailed",
    summary="A payout to the bank account failed.",
    recordings=FINDING.recordings,
    condition=FINDING.condition,
    threshold=FINDING.threshold,
    description=description,
    reach=lambda t: int(t.hold),
    runbook=Runbook(
        meaning="Stripe said `payout.failed`: the bank refused the money, up to some days after the payout was called "
        "paid. A payout that was paid first counts under both.",
        impact="The money is back in the balance at Stripe. Stripe disables the bank account, and pays nothing out "
        "until it is changed or confirmed.",
        first="1. Stripe's dashboard, Balances, Payouts: which payout, and its failure code (`account_closed`, "
        "`no_account`, `invalid_account_number`, ...).\n"
        "2. Settings, Bank accounts: correct the account, or ask the bank why it refuses.\n"
        "3. Was the account changed by someone you do not know? Then treat the Stripe account as taken over.",
        tune="`hold` for how long the alert stands.",
    ),
    cases=FINDING.cases,
    panel=Panel(
        "Payouts that failed",
        "Payouts that the bank refused. Normal: zero.",
        f"tenant:{FAILED.name}:delta$hold",
        f"tenant:{FAILED.name}:threshold$hold",
    ),
)
