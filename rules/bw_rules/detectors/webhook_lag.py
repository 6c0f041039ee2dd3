"""Events reach the exporter long after Stripe made them."""

from __future__ import annotations

from bisect import bisect_left
from typing import Annotated

from pydantic import AfterValidator, Field

from bw_exporter import durations
from bw_exporter.catalog import LAG_BUCKETS_SECONDS, WEBHOOK_LAG
from bw_rules.thresholds import Base, DurationBetween, WholeBetween, problem


def _bucket(seconds: int) -> int:
    """Only a bucket's bound can be counted exactly."""
    if seconds in LAG_BUCKETS_SECONDS:
        return seconds
    place = bisect_left(LAG_BUCKETS_SECONDS, seconds)
    near = " or ".join(f"{bound}s" for bound in LAG_BUCKETS_SECONDS[max(place - 1, 0) : place + 1])
    raise problem(f"{durations.render(seconds)} is no bucket of {WEBHOOK_LAG.name}; use {near}")


class Thresholds(Base):
    """When lag is too much."""

    max_lag: Annotated[int, DurationBetween("0", "365d"), AfterValidator(_bucket)] = Field(
        30, description="An event may take this long to arrive; must be a bucket of the histogram."
    )
    window: Annotated[int, DurationBetween("5m", "1d")] = Field(
        900, description="The time in which late events are counted."
    )
    min_events: Annotated[int, WholeBetween(1, 1_000_000)] = Field(
        1, description="Fewer late events in the window than this do not matter."
    )
