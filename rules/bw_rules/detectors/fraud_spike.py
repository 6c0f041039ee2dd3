"""More disputes than the shop usually has."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import Field

from bw_rules.thresholds import Base, DurationBetween, KeepFiringFor, NumberBetween, Severity, WholeBetween


class Thresholds(Base):
    """When disputes are a spike."""

    severity: Severity = "critical"
    keep_firing_for: KeepFiringFor = 3600
    multiplier: Annotated[Decimal, NumberBetween(1, 1000)] = Field(
        Decimal(5), description="Disputes in the window over the average of the baseline before it."
    )
    window: Annotated[int, DurationBetween("1h", "7d")] = Field(
        86400, description="The time in which disputes are counted."
    )
    baseline: Annotated[int, DurationBetween("1d", "28d", "1d")] = Field(
        7 * 86400, description="How much of the past before the window it is compared with."
    )
    min_disputes: Annotated[int, WholeBetween(1, 1_000_000)] = Field(
        3, description="Fewer disputes in the window than this are never a spike."
    )
