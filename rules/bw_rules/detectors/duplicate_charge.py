"""The same amount taken from the same payer again within minutes."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bw_rules.thresholds import Base, DurationBetween, Severity


class Thresholds(Base):
    """What the exporter takes for a duplicate, and how long the alert shows it."""

    severity: Severity = "critical"
    window: Annotated[int, DurationBetween("1s", "7d")] = Field(
        300, description="Two equal charges of one payer within this time are duplicates."
    )
    grace: Annotated[int, DurationBetween("0", "1d")] = Field(
        120, description="How long a refund or an explanation is waited for before the duplicate counts."
    )
    hold: Annotated[int, DurationBetween("5m", "7d")] = Field(
        3600, description="How long the alert stands after a duplicate was found."
    )
