"""A spike by thresholds alone: a multiple of the average."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING

from bw_exporter.config.durations import render as duration
from bw_rules.toolkit.average import Average
from bw_rules.toolkit.cases import ALWAYS, HOUR, MINUTE, Case, Outcome, Series, Steps, steps
from bw_rules.toolkit.detector import VALUE, Method, first_of
from bw_rules.toolkit.promql import Recording, Scope

if TYPE_CHECKING:
    from bw_rules.toolkit.spike import Spike, SpikeThresholds


@dataclass(frozen=True, slots=True)
class Fixed:
    """The method of one spike."""

    spike: Spike

    def method(self) -> Method:
        """Return it with its functions."""
        return Method(
            self.recordings,
            self.condition,
            self.threshold,
            self.description,
            lambda t: int(t.window + t.baseline),
            self.cases,
        )

    def recordings(self, t: SpikeThresholds, scope: Scope) -> tuple[Recording, ...]:
        """Return what came in the window, and in the baseline before it."""
        return (
            self.spike.counted.recording(scope),
            self.spike.counted.lost(scope),
            self.spike.counted.delta(scope, t.window),
            self.spike.counted.delta(scope, t.baseline, t.window, made_good=True),
        )

    def condition(self, t: SpikeThresholds, scope: Scope) -> str:
        """Return PromQL for: enough of them, and many times the average of the time that the tenant has been there."""
        name = self.spike.counted.delta_name(t.window)
        spike = self._average(t, scope.beside).reached_by(scope.beside.recorded(name))
        return f"{scope.recorded(name)} >= {self.spike.least(t)}\nand on (tenant) ({spike})"

    def threshold(self, t: SpikeThresholds, scope: Scope) -> Recording:
        """Return the multiple of the average, at least the least number."""
        level = f"clamp_min(\n  {self._average(t, scope).level()},\n  {self.spike.least(t)}\n)"
        return Recording(self.spike.counted.threshold_name(t.window), level)

    def description(self, t: SpikeThresholds) -> str:
        """Return what the alert says: how many now and before."""
        before = first_of(f"{self.spike.counted.delta_name(t.baseline, t.window)}{{tenant='%s'}}", "tenant")
        return (
            f"{self.spike.things.capitalize()} within {duration(t.window)}: {VALUE}; in the {duration(t.baseline)} "
            f"before: {before}. Fires from {self.spike.least(t)} {self.spike.things} within {duration(t.window)} that "
            f"are {t.multiplier} times as many as {duration(t.window)} brought on average."
        )

    def cases(self, t: SpikeThresholds) -> tuple[Case, ...]:
        """Return just enough and one too few, with a past, without one and of a new tenant."""
        inside, before, floor = t.window // 2, t.window + t.baseline // 2, self.spike.least(t)
        factor = Fraction(t.multiplier) * t.window / t.baseline
        past = int(floor / factor) + 1
        enough = -(-past * factor.numerator // factor.denominator)
        young, third = t.window + t.baseline // 3, t.window + t.baseline // 6
        usual = int(floor / (Fraction(t.multiplier) * t.window / (t.baseline // 3))) + 1
        case = partial(self._case, 30 * MINUTE if t.window % HOUR == 0 else 0)
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

    def _case(self, every: int, name: str, outcome: Outcome, *rises: Steps, created: int = ALWAYS) -> Case:
        series = (
            Series(self.spike.counted.exported, rise, self.spike.counted.series, f"replica-{number}")
            for number, rise in enumerate(rises)
        )
        return Case(name, outcome, tuple(series), created, every=every, reach=True)

    def _average(self, t: SpikeThresholds, scope: Scope) -> Average:
        past = scope.recorded(self.spike.counted.delta_name(t.baseline, t.window))
        return Average(scope.beside, past, t.multiplier, t.window, t.baseline)
