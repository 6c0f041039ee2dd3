"""A spike of one counter: many more of something than the tenant usually has.

A detector of such a spike is its counter, its words and its runbook; thresholds, rules, cases and panel come from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from bw_rules.toolkit.detector import Detector, Runbook, judged_by
from bw_rules.toolkit.panel import Panel
from bw_rules.toolkit.promql import DAY
from bw_rules.toolkit.spike_evidence import Evidence
from bw_rules.toolkit.spike_fixed import Fixed
from bw_rules.toolkit.thresholds import DurationBetween, KeepFiringFor, NumberBetween, Weighed, WholeBetween

if TYPE_CHECKING:
    from collections.abc import Callable

    from bw_rules.toolkit.promql import Counter

AtLeast = Annotated[int, WholeBetween(1, 1_000_000)]
"""The type of a spike's least number."""


def at_least(number: int, things: str) -> Any:  # noqa: ANN401 - as pydantic's Field
    """Return the field of the least number of `things` (a plural noun) that is a spike."""
    return Field(number, description=f"Fewer {things} in the window than this are never a spike.")


class SpikeThresholds(Weighed):
    """When a number is a spike. A detector adds the least number, under a key of its own, and its severity.

    The severity of one that says none is `warning`.
    """

    only_fixed: ClassVar[frozenset[str]] = frozenset({"multiplier", "window", "baseline"})

    keep_firing_for: KeepFiringFor = 3600
    multiplier: Annotated[Decimal, NumberBetween(1, 1000)] = Field(
        Decimal(5),
        description="With `fixed` alone: how many times the average of the baseline before the window is a spike.",
    )
    window: Annotated[int, DurationBetween("1m", "7d")] = Field(
        DAY, description="With `fixed` alone: the time in which they are counted."
    )
    baseline: Annotated[int, DurationBetween("1d", "28d", "1d")] = Field(
        7 * DAY,
        description="With `fixed` alone: how much of the past before the window it is compared with.",
    )

    @property
    def reads_old_events(self) -> bool:
        """Evidence is not weighed while many events are old."""
        return not self.fixed


@dataclass(frozen=True, slots=True)
class Spike:
    """A counter whose spikes are trouble.

    `least` gives the number below which nothing is a spike, from the detector's thresholds. `things` is what is
    counted, as a plural noun. `windows` are the two, in seconds, that evidence is looked for in; in the longer one
    the least number is one higher. Of a window shorter than a day as many are due as usually come in the same hours of
    the week, and at least what would be due if all that come on an average day came within six hours. With
    `every_case` its cases include the edges that are the same of all spikes, which take a third of a minute.
    """

    counted: Counter
    things: str
    least: Callable[[Any], int]
    windows: tuple[int, int] = (DAY, 3 * DAY)
    every_case: bool = False

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
