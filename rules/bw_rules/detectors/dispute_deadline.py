"""Evidence for a dispute is due soon, and none was sent."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bw_exporter.config.durations import render as duration
from bw_exporter.metrics import catalog
from bw_rules.toolkit.cases import HOUR, MINUTE, Case, Outcome, Series, Steps
from bw_rules.toolkit.detector import Detector, Runbook
from bw_rules.toolkit.panel import Panel
from bw_rules.toolkit.promql import Recording, Scope
from bw_rules.toolkit.thresholds import Base, DurationBetween


class Thresholds(Base):
    """How long before the deadline is worth a message."""

    within: Annotated[int, DurationBetween("1h", "30d")] = Field(
        72 * HOUR, description="The evidence of a dispute is due within this time."
    )


DUE = catalog.DISPUTES_NEXT_DUE.name
LEFT = "tenant:billing_disputes_next_due:left_seconds"


def recordings(t: Thresholds, scope: Scope) -> tuple[Recording, ...]:  # noqa: ARG001 - every detector's signature
    """Return the seconds until the earliest deadline; nothing where there is none."""
    return (Recording(LEFT, f"max by (tenant) ({scope.latest(DUE)}) - time() > 0"),)


def condition(t: Thresholds, scope: Scope) -> str:
    """Return PromQL for: less time than that is left."""
    return f"{scope.recorded(LEFT)} <= {t.within}"


def threshold(t: Thresholds, scope: Scope) -> Recording:
    """Return the time that is too short."""
    return Recording("tenant:billing_disputes_next_due:threshold", f"{t.within} + 0 * {scope.recorded(LEFT)}")


def description(t: Thresholds) -> str:
    """Return how much time is left."""
    return (
        "Evidence for a dispute is due in {{ $value | humanizeDuration }}, and Stripe has none. "
        f"Fires {duration(t.within)} before."
    )


def cases(t: Thresholds) -> tuple[Case, ...]:
    """Return just soon enough and not yet, answered, passed, and another dispute that is due later."""

    def due(name: str, outcome: Outcome, *values: Steps) -> Case:
        series = (Series(DUE, steps, "", f"replica-{n}", timestamps=True) for n, steps in enumerate(values))
        return Case(name, outcome, tuple(series), fine=True)

    soon, later = MINUTE - t.within, -2 * MINUTE - t.within
    return (
        due("evidence is due within the time", "fires", ((10**9, 0), (HOUR, soon))),
        due("evidence is due just later", "quiet", ((10**9, 0), (HOUR, later))),
        due("the dispute was answered, told by two replicas", "quiet", *[((10**9, soon), (600, 0))] * 2),
        due("the next dispute is due later", "quiet", ((10**9, soon), (600, later))),
        due("the deadline has passed", "quiet", ((10**9, MINUTE),)),
        due("no dispute waits for evidence", "quiet", ((10**9, 0),)),
    )


DETECTOR = Detector(
    alert="BillingDisputeDeadline",
    summary="Evidence for a dispute is due soon.",
    recordings=recordings,
    condition=condition,
    threshold=threshold,
    description=description,
    reach=lambda t: 0,  # noqa: ARG005 - every detector's signature
    runbook=Runbook(
        meaning="A dispute waits for the shop's answer (`needs_response`), and its deadline is within `within`. It is "
        "the earliest one; others may follow. Inquiries are not looked at.",
        impact="Without an answer the dispute is lost: the amount, and the fee.",
        first="1. Stripe's dashboard, Disputes, Needs response: the one that is due first.\n"
        "2. Worth it? Then send the evidence: what was bought, that it was delivered, the customer's own words. It can "
        "be sent once.\n"
        "3. Not worth it? Accept the dispute there; that ends the alert.",
        tune="`within` for how long before the deadline you want to hear of it.",
    ),
    cases=cases,
    panel=Panel(
        "Time until evidence is due",
        "The earliest deadline of a dispute that waits for an answer. Normal: nothing, or above the line.",
        LEFT,
        "tenant:billing_disputes_next_due:threshold",
        unit="s",
        fires="fires below",
    ),
)
