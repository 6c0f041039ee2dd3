"""Stripe is asked for missed events and does not answer, so silence is judged by habit alone."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from bw_exporter.config.durations import render as duration
from bw_exporter.metrics import catalog
from bw_rules.toolkit.cases import HOUR, MINUTE, Case, Outcome, Series, steps
from bw_rules.toolkit.detector import VALUE, Detector, Runbook
from bw_rules.toolkit.panel import Panel
from bw_rules.toolkit.promql import Recording, Scope, counter
from bw_rules.toolkit.rise import first_look
from bw_rules.toolkit.thresholds import Base, DurationBetween


class Thresholds(Base):
    """When catch-up that fails is worth a message. It takes an API key."""

    after: Annotated[int, DurationBetween("5m", "7d")] = Field(
        1800, description="How long no turn of catch-up may succeed while turns fail."
    )
    ASKS_STRIPE: ClassVar[bool] = True


ERRORS = counter(catalog.CATCH_UP_ERRORS, summed="reason")
WINDOW = HOUR
"""Longer than the longest wait between two turns that fail."""


def recordings(t: Thresholds, scope: Scope) -> tuple[Recording, ...]:  # noqa: ARG001 - every detector's signature
    """Return the turns that failed within an hour."""
    return (ERRORS.recording(scope), ERRORS.delta(scope, WINDOW))


def condition(t: Thresholds, scope: Scope) -> str:
    """Return PromQL for: turns fail, and none has succeeded for too long."""
    success = f"max by (tenant) ({scope.beside.latest(catalog.CATCH_UP_SUCCESS.name)})"
    return (
        f"{scope.recorded(ERRORS.delta_name(WINDOW))} >= 1\nand on (tenant) (time() - {success} > {t.after})"
    )


def threshold(t: Thresholds, scope: Scope) -> Recording:  # noqa: ARG001 - every detector's signature
    """Return one: the time since the last success decides."""
    return Recording(ERRORS.threshold_name(WINDOW), f"1 + 0 * {scope.recorded(ERRORS.max_name)}")


def description(t: Thresholds) -> str:
    """Return how many turns failed, and why."""
    why = (
        '{{ range printf "sum by (reason) (max by (tenant, reason) '
        "(billing_catch_up_errors_total{tenant='%s'} - billing_catch_up_errors_total{tenant='%s'} offset 1h)) > 0\" "
        "$labels.tenant $labels.tenant | query }} {{ .Labels.reason }}{{ end }}"
    )
    return (
        f"Turns of catch-up that Stripe did not answer within {duration(WINDOW)}: {VALUE}; none has succeeded for "
        f"{duration(t.after)}. Reasons:{why}."
    )


def cases(t: Thresholds) -> tuple[Case, ...]:
    """Return failing for long enough, not long enough, and a key that was taken out."""
    recent = min(10 * MINUTE, t.after // 2)

    def failing(name: str, outcome: Outcome, errors: int, success_ago: int | None) -> Case:
        success = ((10**9, 0),) if success_ago is None else ((10**9, 10**8), (success_ago, success_ago))
        return Case(
            name,
            outcome,
            (
                Series(catalog.CATCH_UP_ERRORS.name, steps((recent, 100 + errors)), 'reason="permission"'),
                Series(catalog.CATCH_UP_SUCCESS.name, success, timestamps=success_ago is not None),
            ),
            fine=True,
        )

    return (
        failing("turns fail, and the last success is too long ago", "fires", 1, t.after + MINUTE),
        failing("turns fail, and none ever succeeded", "fires", 1, None),
        failing("a turn has failed, and one succeeded lately", "quiet", 1, t.after - MINUTE),
        failing("a tenant whose key was taken out", "quiet", 0, t.after + MINUTE),
        failing("a tenant that never had a key", "quiet", 0, None),
    )


DETECTOR = Detector(
    alert="BillingCatchUpFailing",
    summary="Stripe does not answer when it is asked for missed events.",
    recordings=recordings,
    condition=condition,
    threshold=threshold,
    description=description,
    reach=lambda t: WINDOW,  # noqa: ARG005 - every detector's signature
    runbook=Runbook(
        meaning="Catch-up asks Stripe's API with the tenant's key. Its turns have failed for `after`, for the reason "
        "that the alert names.",
        impact="Events that no webhook brings are not noticed until it works again; then they are counted, as far back "
        "as Stripe remembers (30 days). Until then silence is judged by the tenant's habits, as without a key.",
        first=f"1. Which reason?{first_look(catalog.CATCH_UP_ERRORS, 'reason', '1h')}"
        "\n   `authentication`: the key was revoked; make a new one. `permission`: it may not read it; "
        "`bw-exporter probe` says what, in Stripe's words. `rate_limited`: another program uses up the limit. "
        "`unreachable`: does the exporter's machine reach api.stripe.com?\n"
        "2. status.stripe.com.",
        tune="`after` for how long it may fail before you hear of it.",
    ),
    cases=cases,
    panel=Panel(
        "Turns of catch-up that failed within 1h",
        "How often Stripe's API did not answer. Normal: zero; a few that are followed by a success do no harm.",
        f"tenant:{ERRORS.name}:delta1h",
        f"tenant:{ERRORS.name}:threshold1h",
    ),
)
