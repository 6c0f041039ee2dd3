"""A currency brings in much less than it usually does."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from bw_rules.thresholds import (
    Base,
    DurationBetween,
    For,
    KeepFiringFor,
    NumberBetween,
    Severity,
    WholeBetween,
)


class Thresholds(Base):
    """When revenue has dropped."""

    severity: Severity = "critical"
    for_: For = 900
    keep_firing_for: KeepFiringFor = 3600
    drop_pct: Annotated[Decimal, NumberBetween(0, 100, above=True)] = Field(
        Decimal(50), description="Percent by which revenue must have fallen below the baseline's average."
    )
    window: Annotated[int, DurationBetween("1h", "7d")] = Field(
        86400, description="The time whose revenue is looked at."
    )
    baseline: Annotated[int, DurationBetween("1d", "28d", "1d")] = Field(
        7 * 86400, description="The past that the window is compared with; whole weeks for compare: weekday."
    )
    compare: Literal["rolling", "weekday"] = Field(
        "rolling",
        description="With rolling, the average of the baseline; with weekday, of the same weekdays in it.",
    )
    min_daily_revenue: Annotated[int, WholeBetween(1, 10**12)] = Field(
        100, description="Currencies that brought in less a day than this, in whole units, are not watched."
    )
