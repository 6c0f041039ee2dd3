"""When something happens in a shop: little at night, most in the evening, less at the weekend, all in UTC."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime

_HOURS = (
    0.5, 0.3, 0.2, 0.2, 0.2, 0.3, 0.5, 0.8, 1.0, 1.2, 1.3, 1.3,
    1.4, 1.3, 1.2, 1.2, 1.3, 1.4, 1.5, 1.7, 1.7, 1.5, 1.2, 0.8,
)  # fmt: skip
"""How busy each hour of the day is; 1 is the mean."""

_SATURDAY = 5
_WEEKEND = 0.65
_BUSIEST = max(_HOURS)
_DAY_SECONDS = 86400


def busyness(at: float) -> float:
    """Return how busy a moment is; 1 is the mean of a weekday."""
    moment = datetime.fromtimestamp(at, UTC)
    return _HOURS[moment.hour] * (_WEEKEND if moment.weekday() >= _SATURDAY else 1.0)


def moments(chance: random.Random, *, a_day: float, start_at: int, end_at: int) -> Iterator[int]:
    """Give the Unix seconds after `start_at`, to `end_at`, at which something happens: about `a_day` a weekday."""
    mean_gap = _DAY_SECONDS / (a_day * _BUSIEST)
    at = float(start_at)
    while (at := at + chance.expovariate(1 / mean_gap)) <= end_at:
        if chance.random() * _BUSIEST < busyness(at):  # thinning: Lewis and Shedler, 1979
            yield max(int(at), start_at + 1)
