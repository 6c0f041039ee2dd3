"""Stripe has sent nothing for too long, or never has."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bw_rules.thresholds import Base, DurationBetween, For


class Thresholds(Base):
    """When silence is a lapse."""

    for_: For = 300
    max_silence: Annotated[int, DurationBetween("1m", "30d")] = Field(
        4 * 3600, description="A tenant may send no event for this long."
    )
