"""An invoice asks for another amount than its subscription says."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bw_exporter import catalog
from bw_exporter.durations import render as duration
from bw_rules.cases import ALWAYS, HOUR, MINUTE, Case, Outcome, Series, Steps, steps
from bw_rules.detector import Detector, Runbook
from bw_rules.promql import Recording, Scope, counter
from bw_rules.thresholds import Base, DurationBetween, WholeBetween


class Thresholds(Base):
    """What the exporter takes for a mismatch, and how long the alert shows it."""

    tolerance: Annotated[int, WholeBetween(0, 10**12)] = Field(
        0, description="Minor units a line may be off beyond the rounding slack of under 1."
    )
    grace: Annotated[int, DurationBetween("0", "1d")] = Field(
        900, description="How long a late subscription event is waited for before the mismatch counts."
    )
    hold: Annotated[int, DurationBetween("1m", "7d")] = Field(
        3600, description="How long the alert stands after a mismatch was found."
    )


FOUND = counter(catalog.INVOICE_CHECKS, where='verdict="mismatch"', bridge=6 * HOUR)
LAST = catalog.LAST_MISMATCH


def recordings(t: Thresholds, scope: Scope) -> tuple[Recording, ...]:
    """How many were found within the hold."""
    return (FOUND.recording(scope), FOUND.delta(scope, t.hold))


def condition(t: Thresholds, scope: Scope) -> str:
    """One was found: the counter is exact, the time of the last one needs no history at all."""
    last = f"max by (tenant) ({scope.raw(LAST.name)} > 0)"
    return (
        f"{scope.recorded(FOUND.delta_name(t.hold))} >= 1\n"
        f"or on (tenant)\n"
        f"(1 + 0 * (time() - {last} < {t.hold}))"
    )


def threshold(t: Thresholds, scope: Scope) -> Recording:
    """One is enough."""
    return Recording(FOUND.threshold_name(t.hold), f"1 + 0 * {scope.recorded(FOUND.max_name)}")


def description(t: Thresholds) -> str:
    """How many, and where they are listed."""
    return (
        f"Mismatched invoices found within {duration(t.hold)}: {{{{ $value }}}}. They ask for another amount than "
        f"their subscription says, by more than {t.tolerance} minor units a line beyond rounding."
    )


def cases(t: Thresholds) -> tuple[Case, ...]:
    """Within the hold and just past it, through outages and replicas, by the counter and by the time."""
    inside, outside = max(t.hold - MINUTE, t.hold // 2), t.hold + MINUTE
    recent = min(5 * MINUTE, t.hold // 2)

    def found(name: str, outcome: Outcome, *rises: Steps, last: int = 0) -> Case:
        counters = (
            Series(catalog.INVOICE_CHECKS.name, rise, 'verdict="mismatch"', f"replica-{number}")
            for number, rise in enumerate(rises)
        )
        times = Series(LAST.name, ((ALWAYS, 0), (last, last)) if last else ((ALWAYS, 0),), timestamps=True)
        return Case(name, outcome, (*counters, times), fine=True)

    return (
        found("found just within the hold", "fires", steps((inside, 101))),
        found("found just before the hold", "quiet", steps((outside, 101))),
        found(
            "found while nothing was scraped for three hours",
            "fires",
            steps((3 * HOUR + recent, None), (recent, 101)),
        ),
        found("found and told by two replicas", "fires", *[steps((inside, 101))] * 2),
        found(
            "a new replica that tells what the old one told", "quiet", steps((inside, None)), ((inside, 100),)
        ),
        found("the time alone just within the hold", "fires", ((inside, 101),), last=inside),
        found("the time alone just before the hold", "quiet", ((outside, 101),), last=outside),
        found("never found", "quiet", steps()),
        found("a store restored from a backup", "quiet", steps((inside, 99))),
    )


DETECTOR = Detector(
    alert="BillingInvoiceMismatch",
    summary="An invoice asks for another amount than its subscription.",
    recordings=recordings,
    condition=condition,
    threshold=threshold,
    description=description,
    reach=lambda t: int(t.hold),
    findings=True,
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
    cases=cases,
)
