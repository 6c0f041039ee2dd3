"""A spike of one counter: many more of something than the tenant usually has.

A detector of such a spike is its counter, its words and its runbook; thresholds, rules, cases and panel come from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from bw_rules.toolkit.detector import Detector, Runbook, judged_by
from bw_rules.toolkit.panel import Panel
from bw_rules.toolkit.spike_evidence import Evidence
from bw_rules.toolkit.spike_fixed import Fixed
from bw_rules.toolkit.thresholds import DurationBetween, KeepFiringFor, NumberBetween, Severity, Weighed

if TYPE_CHECKING:
    from bw_exporter.metrics.family import Family
    from bw_rules.toolkit.promql import Counter


class SpikeThresholds(Weighed):
    """When a number is a spike; a detector adds the least number, under a key of its own."""

    only_fixed: ClassVar[frozenset[str]] = frozenset({"multiplier", "window", "baseline"})

    severity: Severity = "critical"
    keep_firing_for: KeepFiringFor = 3600
    multiplier: Annotated[Decimal, NumberBetween(1, 1000)] = Field(
        Decimal(5),
        description="With `fixed` alone: how many times the average of the baseline before the window is a spike.",
    )
    window: Annotated[int, DurationBetween("1m", "7d")] = Field(
        86400, description="With `fixed` alone: the time in which they are counted."
    )
    baseline: Annotated[int, DurationBetween("1d", "28d", "1d")] = Field(
        7 * 86400,
        description="With `fixed` alone: how much of the past before the window it is compared with.",
    )

    @property
    def reads_old_events(self) -> bool:
        """Evidence is not weighed while many events are old."""
        return not self.fixed


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
        fixed, evidence = Fixed(self).method(), Evidence(self).method()
        return judged_by(
            lambda t: fixed if t.fixed else evidence,
            alert=alert,
            summary=summary,
            runbook=runbook,
            panel=Panel(
                f"{self.things.capitalize()} of each window",
                f"{self.things.capitalize()}, and the number that would be a spike for this tenant. {normal}",
                f"tenant:{self.counted.name}:delta$window",
                f"tenant:{self.counted.name}:threshold$window",
            ),
        )

    def floor(self, t: SpikeThresholds) -> int:
        """Return the least number that is a spike."""
        return int(getattr(t, self.least))
