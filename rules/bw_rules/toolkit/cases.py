"""Cases that come with each detector: series over time, and whether its alert must fire at the end.

Times are seconds before the moment of the check. A case is written for given thresholds, so the same edges
hold whatever a tenants.yaml says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MINUTE = 60
HOUR = 3600
DAY = 86_400
ALWAYS = 10**9
"""Before everything else."""

Steps = tuple[tuple[int, int | None], ...]
"""(seconds before the check, value from then on); None is a gap. The oldest comes first."""


Outcome = Literal["fires", "quiet"]


@dataclass(frozen=True, slots=True)
class Series:
    """One exported series of the case's tenant; labels are `name="value"` texts beside job and tenant.

    With `timestamps`, a value other than 0 is a moment, as seconds before the check.
    """

    metric: str
    steps: Steps
    labels: str = ""
    instance: str = "replica-0"
    timestamps: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """One edge. `created` is the tenant's age in seconds, `outcome` whether the alert must be firing.

    `last_event` is when Stripe was last heard, None for a series that does not exist. `up` is whether the
    exporter could be scraped. `fine` cases need steps of a minute, the others days of history; `every` is another
    step in seconds. There is as much history as the oldest time of all; with `reach` as much as the detector looks back
    on. A series may be a recorded one whose past would take weeks to evaluate: it stands while the rule that records it
    finds nothing.
    """

    name: str
    outcome: Outcome
    series: tuple[Series, ...] = ()
    created: int = ALWAYS
    last_event: int | None = 30
    up: Steps = ((ALWAYS, 1),)
    fine: bool = False
    every: int = 0
    reach: bool = False


def steps(*pairs: tuple[int, int | None], start: int | None = 100) -> Steps:
    """Return `start` since always, then each (seconds before the check, value)."""
    return ((ALWAYS, start), *pairs)
