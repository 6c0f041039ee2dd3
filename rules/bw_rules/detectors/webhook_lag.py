"""Events reach the exporter long after Stripe made them."""

from __future__ import annotations

from bw_exporter.config.check_settings import WebhookLagSettings
from bw_exporter.config.durations import render as duration
from bw_exporter.metrics import catalog
from bw_exporter.metrics.catalog import WEBHOOK_LAG
from bw_rules.toolkit.at_least import AtLeast, LeastEvents
from bw_rules.toolkit.cases import ALWAYS, HOUR, MINUTE, Case, Outcome, Series, Steps
from bw_rules.toolkit.detector import VALUE, Detector, Runbook
from bw_rules.toolkit.panel import Panel
from bw_rules.toolkit.promql import Counter, Recording, Scope, quoted
from bw_rules.toolkit.rise import first_look
from bw_rules.toolkit.thresholds import Base, KeepFiringFor

_IMPORT = 3 * 86_400
"""Stripe repeats for so many seconds."""
_ABSENT, _AFTER = 2 * MINUTE, HOUR
"""After an absence of ours of so long, for so long, what comes late is what Stripe repeats."""
_UP = "billing:lag_up:max"


class Thresholds(WebhookLagSettings, Base):
    """When lag is too much."""

    keep_firing_for: KeepFiringFor = 3600
    min_events: LeastEvents = 3


def late(max_lag: int) -> Counter:
    """Return the counter of events that took longer than `max_lag` and at most three days: both are buckets' bounds.

    Stripe repeats an event for three days, so that what is older is no delivery but an import.
    """
    name = WEBHOOK_LAG.name
    in_time = f'max by (tenant) ({name}_bucket{{$job,le="{max_lag}.0"}})'
    every = f"max by (tenant) ({name}_count{{$job}})"
    delivered = f'max by (tenant) ({name}_bucket{{$job,le="{_IMPORT}.0"}})'
    counted = f"({delivered}\nor on (tenant)\n{every})" if max_lag < _IMPORT else every
    return Counter(f"{name}_late{max_lag}s", f"{counted}\n- on (tenant)\n{in_time}")


ENOUGH = AtLeast(lambda t: late(t.max_lag))


def recordings(t: Thresholds, scope: Scope) -> tuple[Recording, ...]:
    """Return late events, how many came in the window, and whether any replica could be scraped."""
    up = Recording(_UP, f"max(up{{job={quoted(scope.job)}}}) or vector(0)")
    return (up, *ENOUGH.recordings(t, scope))


def condition(t: Thresholds, scope: Scope) -> str:
    """Return PromQL for: enough late events in the window, and not just after an absence of the exporter."""
    there = f"max_over_time({_UP}[{duration(_ABSENT)}])[{duration(_AFTER)}:{duration(MINUTE)}]"
    return f"{ENOUGH.condition(t, scope)}\nunless on () (min_over_time({there}) == 0)"


def description(t: Thresholds) -> str:
    """How many came late."""
    return (
        f"Events within {duration(t.window)} that came more than {t.max_lag}s after Stripe made them: "
        f"{VALUE}. Fires from {t.min_events} late {'event' if t.min_events == 1 else 'events'}."
    )


def cases(t: Thresholds) -> tuple[Case, ...]:
    """Late and in time, just within the window and just before it."""
    inside, outside = max(t.window - 2 * MINUTE, t.window // 2), t.window + MINUTE
    last_minute = min(MINUTE, t.window // 2)

    def lag(
        name: str,
        outcome: Outcome,
        rise: int,
        *,
        at: int = last_minute,
        late: bool = True,
        replicas: int = 1,
        imported: bool = False,
        up: Steps = ((ALWAYS, 1),),
    ) -> Case:
        on_time: Steps = ((10**9, 100),)
        more: Steps = ((10**9, 100), (at, 100 + rise))
        bucket = f'le="{t.max_lag}.0"'
        series = []
        for number in range(replicas):
            who = f"replica-{number}"
            series += [
                Series(f"{WEBHOOK_LAG.name}_count", more, "", who),
                Series(f"{WEBHOOK_LAG.name}_bucket", on_time if late else more, bucket, who),
                Series(f"{WEBHOOK_LAG.name}_bucket", more, 'le="+Inf"', who),
            ]
            if t.max_lag < _IMPORT:
                delivered = on_time if imported else more
                series.append(Series(f"{WEBHOOK_LAG.name}_bucket", delivered, f'le="{_IMPORT}.0"', who))
        return Case(name, outcome, tuple(series), up=up, fine=True)

    absent, failed = 30 * MINUTE, 20 * MINUTE

    return (
        lag("late events in the last minute", "fires", t.min_events),
        lag("late events just within the window", "fires", t.min_events, at=inside),
        lag("late events just before the window", "quiet", t.min_events, at=outside),
        lag("as many events just in time", "quiet", t.min_events, late=False),
        lag("one late event too few", "quiet", t.min_events - 1),
        lag("one late event too few, told by two replicas", "quiet", t.min_events - 1, replicas=2),
        lag(
            "late events half an hour after the exporter was away",
            "quiet",
            t.min_events,
            up=((ALWAYS, 1), (absent + 5 * MINUTE, 0), (absent, 1)),
        ),
        lag(
            "late events after one scrape failed",
            "fires",
            t.min_events,
            up=((ALWAYS, 1), (failed, 0), (failed - MINUTE, 1)),
        ),
        *(
            [lag("events of more than three days ago", "quiet", t.min_events, imported=True)]
            if t.max_lag < _IMPORT
            else []
        ),
    )


DETECTOR = Detector(
    alert="BillingWebhookLag",
    summary="Stripe's events arrive late.",
    recordings=recordings,
    condition=condition,
    threshold=ENOUGH.threshold,
    description=description,
    reach=lambda t: int(t.window),
    runbook=Runbook(
        meaning="Events arrived longer after they were made than `max_lag`. Each event is measured when it is first "
        "received; Stripe's own repeats of events already counted are not. For an hour after the exporter was away "
        "for two minutes nothing fires, as Stripe then repeats what was missed; and events of more than three days "
        "ago are an import.",
        impact="Everything here is late too. After an outage old events come in a burst, which may look like a spike.",
        first="1. Was the exporter down or answering 503 (BillingExporterDown, BillingStoreErrors)? Then Stripe is "
        "sending again what was missed, and this ends by itself.\n"
        f"2. Were requests refused within the last hour?{first_look(catalog.WEBHOOK_REQUESTS, 'result', '1h')}"
        "\n   `rate_limited` means that the tenant's `rate_limit` is too low.\n"
        "3. Are the clocks right? Lag is our clock minus Stripe's.\n"
        "4. status.stripe.com: delays of webhooks.",
        tune="`max_lag` to another bucket of the histogram, `min_events` to ignore stragglers.",
    ),
    cases=cases,
    panel=Panel(
        "Late events",
        "First deliveries that took longer than the limit. Normal: zero; after an outage Stripe repeats what was "
        "missed, and this ends by itself.",
        f"tenant:{WEBHOOK_LAG.name}_late$limit:delta$window",
        f"tenant:{WEBHOOK_LAG.name}_late$limit:threshold$window",
    ),
)
