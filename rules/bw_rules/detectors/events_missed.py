"""Stripe made events that no webhook brought; catch-up has counted them."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from bw_exporter.config.durations import render as duration
from bw_exporter.metrics import catalog
from bw_rules.toolkit.at_least import AtLeast, LeastEvents
from bw_rules.toolkit.cases import MINUTE, Case, Outcome, Series, Steps, steps
from bw_rules.toolkit.detector import VALUE, Detector, Runbook
from bw_rules.toolkit.panel import Panel
from bw_rules.toolkit.promql import HOUR, counter
from bw_rules.toolkit.thresholds import Base, DurationBetween


class Thresholds(Base):
    """When events that no webhook brought are worth a message. It takes an API key."""

    window: Annotated[int, DurationBetween("5m", "7d")] = Field(
        HOUR, description="The time in which missed events are counted; so long the alert stands."
    )
    min_events: LeastEvents = 1
    ASKS_STRIPE: ClassVar[bool] = True


MISSED = counter(catalog.EVENTS_CAUGHT_UP, bridge=6 * HOUR)
ENOUGH = AtLeast(lambda _t: MISSED)


def description(t: Thresholds) -> str:
    """Return how many, and when a webhook last arrived."""
    last = (
        "{{ with printf \"max(billing_last_event_timestamp_seconds{tenant='%s'}) > 0\" $labels.tenant | query }}"
        "{{ . | first | value | humanizeTimestamp }}{{ else }}never{{ end }}"
    )
    return (
        f"Events that Stripe made and no webhook brought, counted within {duration(t.window)}: {VALUE}. They are in "
        f"all metrics now. The last webhook arrived: {last}. Fires from {t.min_events}."
    )


def cases(t: Thresholds) -> tuple[Case, ...]:
    """Return enough and one too few, just within the window and just before it."""
    inside, outside = max(t.window - 2 * MINUTE, t.window // 2), t.window + MINUTE

    def missed(name: str, outcome: Outcome, *rises: Steps) -> Case:
        series = (
            Series(catalog.EVENTS_CAUGHT_UP.name, rise, "", f"replica-{number}")
            for number, rise in enumerate(rises)
        )
        return Case(name, outcome, tuple(series), fine=True)

    return (
        missed("enough events missed just within the window", "fires", steps((inside, 100 + t.min_events))),
        missed("enough events missed just before the window", "quiet", steps((outside, 100 + t.min_events))),
        missed("one missed event too few", "quiet", steps((inside, 99 + t.min_events))),
        missed("as many, told by two replicas", "quiet", *[steps((inside, 99 + t.min_events))] * 2),
        missed("a tenant without a key", "quiet", steps(start=0)),
    )


DETECTOR = Detector(
    alert="BillingEventsMissed",
    summary="Stripe has events that no webhook brought.",
    recordings=ENOUGH.recordings,
    condition=ENOUGH.condition,
    threshold=ENOUGH.threshold,
    description=description,
    reach=lambda t: int(t.window),
    runbook=Runbook(
        meaning="Stripe's list of events has some that are older than `catch_up.after` and that no webhook brought. "
        "Catch-up has counted them, each once, with the time at which Stripe made them; a webhook that still comes "
        "counts as redelivered.",
        impact="Nothing is missing from the counts. But webhooks fail, and where Stripe gives up, which takes days, it "
        "disables the endpoint; other programs behind webhooks may have lost the same events.",
        first="1. Stripe's dashboard, Developers, Webhooks, the endpoint: failed deliveries, and with what answer.\n"
        "2. `bw-exporter probe`: does the endpoint exist, is it enabled, has it the events that count?\n"
        "3. Were requests refused, or the exporter down? BillingWebhookRefused, BillingStoreErrors and "
        "BillingExporterDown say so. After an outage Stripe repeats for three days, and this ends by itself.",
        tune="`min_events` to leave out stragglers; `catch_up.after` for how old an event has to be.",
    ),
    cases=cases,
    panel=Panel(
        "Events that no webhook brought within $window",
        "What catch-up found in Stripe's list and counted. Normal: zero. Without an API key it stays zero.",
        f"tenant:{MISSED.name}:delta$window",
        f"tenant:{MISSED.name}:threshold$window",
    ),
)
