"""More failed charges than the shop usually has, or most attempts failing."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import Field

from bw_rules.thresholds import Base, DurationBetween, KeepFiringFor, NumberBetween, Severity, WholeBetween


class Thresholds(Base):
    """When failed charges are a spike."""

    severity: Severity = "critical"
    keep_firing_for: KeepFiringFor = 900
    multiplier: Annotated[Decimal, NumberBetween(1, 1000)] = Field(
        Decimal(3),
        description="How many times the failures of the window one baseline ago, and of the average one.",
    )
    window: Annotated[int, DurationBetween("5m", "1d")] = Field(
        3600, description="The time in which failures are counted."
    )
    baseline: Annotated[int, DurationBetween("1d", "28d", "1d")] = Field(
        7 * 86400, description="How far back the past is that the window is compared with."
    )
    min_failures: Annotated[int, WholeBetween(1, 1_000_000)] = Field(
        5, description="Fewer failures in the window than this are never a spike."
    )
    failure_pct: Annotated[Decimal, NumberBetween(0, 100, above=True)] = Field(
        Decimal(50),
        description="Share of attempts in the window, in percent, that fires whatever the past was.",
    )
    min_attempts: Annotated[int, WholeBetween(1, 1_000_000)] = Field(
        10, description="Fewer attempts in the window than this have no share."
    )
