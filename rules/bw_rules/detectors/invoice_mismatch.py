"""An invoice asks for another amount than its subscription says."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bw_rules.thresholds import Base, DurationBetween, WholeBetween


class Thresholds(Base):
    """What the exporter takes for a mismatch, and how long the alert shows it."""

    tolerance: Annotated[int, WholeBetween(0, 10**12)] = Field(
        0, description="Minor units a line may be off beyond the rounding slack of under 1."
    )
    grace: Annotated[int, DurationBetween("0", "1d")] = Field(
        900, description="How long a late subscription event is waited for before the mismatch counts."
    )
    hold: Annotated[int, DurationBetween("5m", "7d")] = Field(
        3600, description="How long the alert stands after a mismatch was found."
    )
