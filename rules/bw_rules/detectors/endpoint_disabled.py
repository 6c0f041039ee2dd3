"""The tenant's webhook endpoint at Stripe is disabled or gone: nothing will come any more."""

from __future__ import annotations

from typing import ClassVar

from bw_exporter.metrics import catalog
from bw_rules.toolkit.cases import Case, Outcome, Series, Steps
from bw_rules.toolkit.detector import Detector, Runbook
from bw_rules.toolkit.panel import Panel
from bw_rules.toolkit.promql import Recording, Scope
from bw_rules.toolkit.thresholds import Base, Severity


class Thresholds(Base):
    """Whether a disabled endpoint is worth a message. It takes an API key that may read webhook endpoints."""

    severity: Severity = "critical"
    ASKS_STRIPE: ClassVar[bool] = True


ENABLED = catalog.ENDPOINT_ENABLED.name
RECORDED = f"tenant:{ENABLED}:min"


def recordings(t: Thresholds, scope: Scope) -> tuple[Recording, ...]:  # noqa: ARG001 - every detector's signature
    """Return the gauge, the same of all replicas."""
    return (Recording(RECORDED, f"min by (tenant) ({scope.latest(ENABLED)})"),)


def condition(t: Thresholds, scope: Scope) -> str:  # noqa: ARG001 - every detector's signature
    """Return PromQL for: not enabled."""
    return f"{scope.recorded(RECORDED)} == 0"


def threshold(t: Thresholds, scope: Scope) -> Recording:  # noqa: ARG001 - every detector's signature
    """Return zero."""
    return Recording(f"tenant:{ENABLED}:threshold", f"0 * {scope.recorded(RECORDED)}")


def cases(t: Thresholds) -> tuple[Case, ...]:  # noqa: ARG001 - every detector's signature
    """Return disabled, enabled and unknown."""

    def gauge(name: str, outcome: Outcome, *values: Steps) -> Case:
        series = (Series(ENABLED, steps, "", f"replica-{number}") for number, steps in enumerate(values))
        return Case(name, outcome, tuple(series), fine=True)

    return (
        gauge("an endpoint that Stripe has disabled", "fires", ((10**9, 1), (600, 0))),
        gauge("an endpoint that is enabled", "quiet", ((10**9, 1),)),
        gauge(
            "an endpoint that was enabled again, told by two replicas", "quiet", *[((10**9, 0), (600, 1))] * 2
        ),
        gauge("a tenant whose endpoint no key can see", "quiet"),
    )


DETECTOR = Detector(
    alert="BillingEndpointDisabled",
    summary="Stripe sends no more webhooks: the endpoint is disabled or gone.",
    recordings=recordings,
    condition=condition,
    threshold=threshold,
    description=lambda t: (  # noqa: ARG005 - every detector's signature
        "The webhook endpoint of this tenant was seen in Stripe's list, and is disabled or not there now."
    ),
    reach=lambda t: 0,  # noqa: ARG005 - every detector's signature
    runbook=Runbook(
        meaning="Stripe's list of webhook endpoints, which the tenant's key may read, has the endpoint that leads here "
        "as disabled, or has it no more. Stripe disables an endpoint after days of failed deliveries, and mails the "
        "account's owner.",
        impact="No webhook arrives. Catch-up counts what it can read from Stripe's list, some minutes late.",
        first="1. Stripe's dashboard, Developers, Webhooks: why did deliveries fail? Mend that first.\n"
        "2. Enable the endpoint there. What was missed is counted by catch-up; nothing has to be sent again.\n"
        "3. Was the endpoint replaced on purpose, with another address? Then give that address to "
        "`--web.webhook-url`, or end the alert by `endpoint_disabled: {enabled: false}` for this tenant.",
        tune="There is nothing to set but `enabled`, `severity` and `for`.",
    ),
    cases=cases,
    panel=Panel(
        "Webhook endpoint enabled at Stripe",
        "Normal: 1, enabled; nothing where no API key can see it.",
        RECORDED,
        f"tenant:{ENABLED}:threshold",
    ),
)
