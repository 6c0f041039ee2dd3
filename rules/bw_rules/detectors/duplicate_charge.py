"""The same amount taken from the same payer again within minutes."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bw_exporter import catalog
from bw_exporter.durations import render as duration
from bw_rules.cases import ALWAYS, HOUR, MINUTE, Case, Outcome, Series, Steps, steps
from bw_rules.detector import Detector, Runbook
from bw_rules.promql import Recording, Scope, counter
from bw_rules.thresholds import Base, DurationBetween, Severity


class Thresholds(Base):
    """What the exporter takes for a duplicate, and how long the alert shows it."""

    severity: Severity = "critical"
    window: Annotated[int, DurationBetween("1s", "7d")] = Field(
        300, description="Two equal charges of one payer within this time are duplicates."
    )
    grace: Annotated[int, DurationBetween("0", "1d")] = Field(
        120, description="How long a refund or an explanation is waited for before the duplicate counts."
    )
    hold: Annotated[int, DurationBetween("1m", "7d")] = Field(
        3600, description="How long the alert stands after a duplicate was found."
    )


FOUND = counter(catalog.DUPLICATE_CHARGES, bridge=6 * HOUR)
LAST = catalog.LAST_DUPLICATE


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
        f"Duplicate charges found within {duration(t.hold)}: {{{{ $value }}}}. The same payer was charged the same "
        f"amount again within {duration(t.window)}, and it was not given back within {duration(t.grace)}."
    )


def cases(t: Thresholds) -> tuple[Case, ...]:
    """Within the hold and just past it, through outages and replicas, by the counter and by the time."""
    inside, outside = max(t.hold - MINUTE, t.hold // 2), t.hold + MINUTE
    recent = min(5 * MINUTE, t.hold // 2)

    def found(name: str, outcome: Outcome, *rises: Steps, last: int = 0) -> Case:
        counters = (
            Series(catalog.DUPLICATE_CHARGES.name, rise, "", f"replica-{number}")
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
    alert="BillingDuplicateCharge",
    summary="A customer was charged twice.",
    recordings=recordings,
    condition=condition,
    threshold=threshold,
    description=description,
    reach=lambda t: int(t.hold),
    findings=True,
    runbook=Runbook(
        meaning="The same payer was charged the same amount in the same currency again within `window`, both charges "
        "succeeded, and neither was refunded within `grace`.",
        impact="A customer paid twice. Without a refund this becomes a dispute, with its fee.",
        first="1. Read the finding (`bw-exporter findings --tenant …`): it names both charges and links to Stripe.\n"
        "2. Did one order make both? Then refund the second one.\n"
        "3. Several at once point at a retry without an idempotency key, or a double click; look at what was deployed.",
        tune="`window` if your customers buy the same thing twice in minutes, `grace` if your own job refunds "
        "duplicates. Both act in the exporter. `hold` is how long the alert stands.",
    ),
    cases=cases,
)
