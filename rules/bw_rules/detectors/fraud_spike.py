"""More disputes than the shop usually has."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Annotated

from pydantic import Field

from bw_exporter.config.durations import render as duration
from bw_exporter.metrics import catalog
from bw_rules.toolkit.average import Average
from bw_rules.toolkit.cases import ALWAYS, HOUR, Case, Outcome, Series, Steps, steps
from bw_rules.toolkit.detector import VALUE, Detector, Runbook, asked
from bw_rules.toolkit.promql import Recording, Scope, counter
from bw_rules.toolkit.thresholds import (
    Base,
    DurationBetween,
    KeepFiringFor,
    NumberBetween,
    Severity,
    WholeBetween,
)


class Thresholds(Base):
    """When disputes are a spike."""

    severity: Severity = "critical"
    keep_firing_for: KeepFiringFor = 3600
    multiplier: Annotated[Decimal, NumberBetween(1, 1000)] = Field(
        Decimal(5), description="Disputes in the window over the average of the baseline before it."
    )
    window: Annotated[int, DurationBetween("1m", "7d")] = Field(
        86400, description="The time in which disputes are counted."
    )
    baseline: Annotated[int, DurationBetween("1d", "28d", "1d")] = Field(
        7 * 86400, description="How much of the past before the window it is compared with."
    )
    min_disputes: Annotated[int, WholeBetween(1, 1_000_000)] = Field(
        3, description="Fewer disputes in the window than this are never a spike."
    )


DISPUTES = counter(catalog.DISPUTES, summed="reason")


def recordings(t: Thresholds, scope: Scope) -> tuple[Recording, ...]:
    """Disputes of the window and of the baseline before it."""
    return (
        DISPUTES.recording(scope),
        DISPUTES.lost(scope),
        DISPUTES.delta(scope, t.window),
        DISPUTES.delta(scope, t.baseline, t.window, made_good=True),
    )


def condition(t: Thresholds, scope: Scope) -> str:
    """Enough of them, and many times the average of the baseline, or of what of it the tenant has been there."""
    disputes = DISPUTES.delta_name(t.window)
    spike = _average(t, scope.beside).reached_by(scope.beside.recorded(disputes))
    return f"{scope.recorded(disputes)} >= {t.min_disputes}\nand on (tenant) ({spike})"


def _average(t: Thresholds, scope: Scope) -> Average:
    past = scope.recorded(DISPUTES.delta_name(t.baseline, t.window))
    return Average(scope.beside, past, t.multiplier, t.window, t.baseline)


def threshold(t: Thresholds, scope: Scope) -> Recording:
    """The multiple of the average, at least the least number."""
    level = f"clamp_min(\n  {_average(t, scope).level()},\n  {t.min_disputes}\n)"
    return Recording(DISPUTES.threshold_name(t.window), level)


def description(t: Thresholds) -> str:
    """Disputes now and before."""
    before = asked(f"{DISPUTES.delta_name(t.baseline, t.window)}{{tenant='%s'}}", "tenant")
    return (
        f"Disputes within {duration(t.window)}: {VALUE}; in the {duration(t.baseline)} before: {before}. "
        f"Fires from {t.min_disputes} that are {t.multiplier} times the average {duration(t.window)}."
    )


def cases(t: Thresholds) -> tuple[Case, ...]:
    """Just enough and one too few, with a past, without one and in a new shop."""
    inside, before, floor = t.window // 2, t.window + t.baseline // 2, t.min_disputes
    factor = Fraction(t.multiplier) * t.window / t.baseline
    past = int(floor / factor) + 1
    enough = -(-past * factor.numerator // factor.denominator)
    young = t.window + t.baseline // 3
    usual = int(floor / (Fraction(t.multiplier) * t.window / (t.baseline // 3))) + 1

    def disputes(name: str, outcome: Outcome, *rises: Steps, created: int = ALWAYS) -> Case:
        series = (
            Series(catalog.DISPUTES.name, rise, 'reason="other"', f"replica-{number}")
            for number, rise in enumerate(rises)
        )
        return Case(name, outcome, tuple(series), created)

    return (
        disputes(
            "as many times the average as it takes",
            "fires",
            steps((before, 100 + past), (inside, 100 + past + enough)),
        ),
        disputes(
            "one dispute below that", "quiet", steps((before, 100 + past), (inside, 99 + past + enough))
        ),
        disputes("the least number after none", "fires", steps((inside, 100 + floor))),
        disputes("one dispute below the least number", "quiet", steps((inside, 99 + floor))),
        disputes(
            "a new shop with the least number", "fires", ((inside, 0), (inside // 2, floor)), created=inside
        ),
        disputes(
            "a young shop with as many as it always has",
            "quiet",
            ((young, 0), (t.window + t.baseline // 6, usual), (inside, usual + floor)),
            created=young,
        ),
        disputes(
            "a young shop with many times what it usually has",
            "fires",
            ((young, 0), (t.window + t.baseline // 6, usual - 1), (inside, usual - 1 + floor)),
            created=young,
        ),
        disputes("an old shop whose past nobody knows", "quiet", ((before, 100), (inside, 100 + 10 * floor))),
        disputes("two replicas telling of one too few", "quiet", *[steps((inside, floor - 1), start=0)] * 2),
        disputes("a pod replaced between", "fires", steps((inside, None)), ((inside, 100 + floor),)),
        disputes("a store restored from a backup", "quiet", steps((inside, 40))),
        disputes(
            "a store restored in a baseline without any",
            "fires",
            steps((before, 40), (inside, 40 + floor)),
        ),
        disputes(
            "too few beside a baseline half of which a restored store lacks",
            "quiet",
            steps((before, 100 + past), (t.window + t.baseline // 3, 100), (inside, 99 + enough)),
        ),
        disputes(
            "scrapes missing at the start of the window",
            "fires",
            steps(
                (t.window + HOUR // 3, None),
                (t.window - min(HOUR // 3, t.window // 3), 100),
                (min(HOUR // 4, t.window // 3), 100 + floor),
            ),
        ),
    )


DETECTOR = Detector(
    alert="BillingFraudSpike",
    summary="Many more disputes are opened than usual.",
    recordings=recordings,
    condition=condition,
    threshold=threshold,
    description=description,
    reach=lambda t: int(t.window + t.baseline),
    runbook=Runbook(
        meaning="Within the window, several times as many disputes were opened as on average in the baseline before. "
        "Inquiries are not counted; each dispute counts once.",
        impact="Each dispute costs a fee and the amount; too many lead to monitoring programs of the card networks.",
        first='1. `sum by (reason) (increase(billing_disputes_total{tenant="…"}[1d]))`: mostly `fraudulent` points at '
        "stolen cards, `product_not_received` at delivery, `duplicate` at BillingDuplicateCharge.\n"
        "2. `billing_early_fraud_warnings_total`: refund warned charges before they are disputed.\n"
        "3. In the Stripe dashboard: do the disputed charges share a card country, product, or day?\n"
        "4. Tighten Radar's rules; answer the disputes before their deadline.",
        tune="`multiplier` and `min_disputes`. A shop with many disputes a day wants a lower `multiplier`.",
    ),
    cases=cases,
)
