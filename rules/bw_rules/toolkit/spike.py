"""A spike of one counter: many more of something than the tenant usually has.

A detector of such a spike is its counter, its words and its runbook; thresholds, rules, cases and panel come from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from bw_exporter.config.durations import render as duration
from bw_rules.toolkit.average import Average
from bw_rules.toolkit.cases import ALWAYS, HOUR, Case, Outcome, Series, Steps, steps
from bw_rules.toolkit.detector import VALUE, Detector, Runbook, first_of
from bw_rules.toolkit.panel import Panel
from bw_rules.toolkit.promql import DAY, Counter, Recording, Scope
from bw_rules.toolkit.thresholds import Base, DurationBetween, KeepFiringFor, NumberBetween, Severity

if TYPE_CHECKING:
    from bw_exporter.metrics.catalog import Family


class SpikeThresholds(Base):
    """When a number is a spike; a detector adds the least number, under a key of its own."""

    severity: Severity = "critical"
    keep_firing_for: KeepFiringFor = 3600
    multiplier: Annotated[Decimal, NumberBetween(1, 1000)] = Field(
        Decimal(5), description="How many times the average of the baseline before the window is a spike."
    )
    window: Annotated[int, DurationBetween("1m", "7d")] = Field(
        86400, description="The time in which they are counted."
    )
    baseline: Annotated[int, DurationBetween("1d", "28d", "1d")] = Field(
        7 * 86400, description="How much of the past before the window it is compared with."
    )


@dataclass(frozen=True, slots=True)
class Spike:
    """A counter whose spikes are trouble.

    `metric` and `labels` are the exported counter; `counted` is it as the rules see it. `least` is the key of the
    thresholds below which nothing is a spike, `things` what is counted, as a plural noun.
    """

    counted: Counter
    metric: Family
    least: str
    things: str
    labels: str = ""

    def detector(self, alert: str, summary: str, runbook: Runbook, normal: str) -> Detector:
        """Return the detector; `normal` says on its panel what is no trouble."""
        return Detector(
            alert=alert,
            summary=summary,
            recordings=self.recordings,
            condition=self.condition,
            threshold=self.threshold,
            description=self.description,
            reach=lambda t: int(t.window + t.baseline),
            runbook=runbook,
            cases=self.cases,
            panel=Panel(
                f"{self.things.capitalize()} within $window",
                f"{self.things.capitalize()}, and the multiple of the tenant's average that is a spike. {normal}",
                f"tenant:{self.counted.name}:delta$window",
                f"tenant:{self.counted.name}:threshold$window",
            ),
        )

    def recordings(self, t: SpikeThresholds, scope: Scope) -> tuple[Recording, ...]:
        """Return what came in the window, and in the baseline before it."""
        return (
            self.counted.recording(scope),
            self.counted.lost(scope),
            self.counted.delta(scope, t.window),
            self.counted.delta(scope, t.baseline, t.window, made_good=True),
        )

    def condition(self, t: SpikeThresholds, scope: Scope) -> str:
        """Return PromQL for: enough of them, and many times the average of the time that the tenant has been there."""
        name = self.counted.delta_name(t.window)
        spike = self._average(t, scope.beside).reached_by(scope.beside.recorded(name))
        return f"{scope.recorded(name)} >= {self._floor(t)}\nand on (tenant) ({spike})"

    def threshold(self, t: SpikeThresholds, scope: Scope) -> Recording:
        """Return the multiple of the average, at least the least number."""
        level = f"clamp_min(\n  {self._average(t, scope).level()},\n  {self._floor(t)}\n)"
        return Recording(self.counted.threshold_name(t.window), level)

    def description(self, t: SpikeThresholds) -> str:
        """Return what the alert says: how many now and before."""
        before = first_of(f"{self.counted.delta_name(t.baseline, t.window)}{{tenant='%s'}}", "tenant")
        usual = "the daily average" if t.window == DAY else f"the average of {duration(t.window)}"
        return (
            f"{self.things.capitalize()} within {duration(t.window)}: {VALUE}; in the {duration(t.baseline)} before: "
            f"{before}. Fires from {self._floor(t)} {self.things} when {t.multiplier} times {usual}."
        )

    def cases(self, t: SpikeThresholds) -> tuple[Case, ...]:
        """Return just enough and one too few, with a past, without one and of a new tenant."""
        inside, before, floor = t.window // 2, t.window + t.baseline // 2, self._floor(t)
        factor = Fraction(t.multiplier) * t.window / t.baseline
        past = int(floor / factor) + 1
        enough = -(-past * factor.numerator // factor.denominator)
        young, third = t.window + t.baseline // 3, t.window + t.baseline // 6
        usual = int(floor / (Fraction(t.multiplier) * t.window / (t.baseline // 3))) + 1
        case = self._case
        return (
            case(
                "as many times the average as it takes",
                "fires",
                steps((before, 100 + past), (inside, 100 + past + enough)),
            ),
            case("one below that", "quiet", steps((before, 100 + past), (inside, 99 + past + enough))),
            case("the least number after none", "fires", steps((inside, 100 + floor))),
            case("one below the least number", "quiet", steps((inside, 99 + floor))),
            case(
                "a new tenant with the least number",
                "fires",
                ((inside, 0), (inside // 2, floor)),
                created=inside,
            ),
            case(
                "a young tenant with as many as it always has",
                "quiet",
                ((young, 0), (third, usual), (inside, usual + floor)),
                created=young,
            ),
            case(
                "a young tenant with many times what it usually has",
                "fires",
                ((young, 0), (third, usual - 1), (inside, usual - 1 + floor)),
                created=young,
            ),
            case(
                "an old tenant whose past nobody knows", "quiet", ((before, 100), (inside, 100 + 10 * floor))
            ),
            case("two replicas with one too few", "quiet", *[steps((inside, floor - 1), start=0)] * 2),
            case("a pod replaced between", "fires", steps((inside, None)), ((inside, 100 + floor),)),
            case("a store restored from a backup", "quiet", steps((inside, 40))),
            case(
                "a store restored in a baseline without any",
                "fires",
                steps((before, 40), (inside, 40 + floor)),
            ),
            case(
                "too few beside a baseline half of which a restored store lacks",
                "quiet",
                steps((before, 100 + past), (t.window + t.baseline // 3, 100), (inside, 99 + enough)),
            ),
            case(
                "scrapes missing at the start of the window",
                "fires",
                steps(
                    (t.window + HOUR // 3, None),
                    (t.window - min(HOUR // 3, t.window // 3), 100),
                    (min(HOUR // 4, t.window // 3), 100 + floor),
                ),
            ),
        )

    def _case(self, name: str, outcome: Outcome, *rises: Steps, created: int = ALWAYS) -> Case:
        series = (
            Series(self.metric.name, rise, self.labels, f"replica-{number}")
            for number, rise in enumerate(rises)
        )
        return Case(name, outcome, tuple(series), created)

    def _floor(self, t: SpikeThresholds) -> int:
        return int(getattr(t, self.least))

    def _average(self, t: SpikeThresholds, scope: Scope) -> Average:
        past = scope.recorded(self.counted.delta_name(t.baseline, t.window))
        return Average(scope.beside, past, t.multiplier, t.window, t.baseline)
