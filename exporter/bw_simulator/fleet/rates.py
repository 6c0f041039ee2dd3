"""How many orders each hour should bring, were nothing wrong; and moments drawn from such rates."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from bw_simulator.fleet.calendar import DAY, HOUR, WEEK, Calendar
from bw_simulator.fleet.shop import Shop, Spell, Stream

_DAYS_VARY, _HOURS_VARY = 0.11, 0.2
"""Sigma of the logarithm of what chance does to a whole day, and to an hour."""


def hourly(shop: Shop, stream: Stream, calendar: Calendar, seed: int) -> list[float]:
    """Return the expected orders of each hour of the calendar, the shop's better and worse days included."""
    chance = random.Random(f"{seed} {shop.name} rates")  # noqa: S311 - the same for each currency: one shop
    born = born_at(shop, calendar)
    hours, week = sum(shop.hours) / 24, sum(shop.week) / 7
    rates, day = [], 1.0
    for at in range(calendar.begin_at, calendar.end_at, HOUR):
        if at % DAY == 0:
            day = chance.lognormvariate(-(_DAYS_VARY**2) / 2, _DAYS_VARY)
        hour = chance.lognormvariate(-(_HOURS_VARY**2) / 2, _HOURS_VARY)
        clock = at + utc_offset(shop.timezone, at)
        usual = shop.hours[clock % DAY // HOUR] / hours * shop.week[(clock // DAY + 3) % 7] / week / 24
        grown: float = (1 + shop.growth_a_week) ** ((at - calendar.judged_at) / WEEK)
        times = math.prod(one.orders for one in spells_at(shop, at, calendar))
        open_ = born is None or at >= born
        rates.append(stream.orders_a_day * usual * day * hour * grown * times if open_ else 0.0)
    return rates


def born_at(shop: Shop, calendar: Calendar) -> int | None:
    """Return when the exporter was first told of a newcomer (Unix seconds), None for the others."""
    return None if shop.born_day is None else calendar.at(shop.born_day, 9)


def spells_at(shop: Shop, at: float, calendar: Calendar) -> list[Spell]:
    """Return what changes at the shop at a moment; days are those of its own clock."""
    clock = at + utc_offset(shop.timezone, int(at))
    return [one for one in shop.spells if calendar.at(one.day) <= clock < calendar.at(one.day + one.days)]


@lru_cache(maxsize=1 << 16)
def _offset_of_hour(timezone: str, hour: int) -> int:
    offset = datetime.fromtimestamp(hour * HOUR, UTC).astimezone(ZoneInfo(timezone)).utcoffset()
    return int(offset.total_seconds()) if offset else 0


def utc_offset(timezone: str, at: int) -> int:
    """Return by how many seconds the clocks of a time zone are ahead of UTC."""
    return _offset_of_hour(timezone, at // HOUR)


def moments(rates: Sequence[float], begin_at: int, chance: random.Random) -> Iterator[float]:
    """Draw moments of a Poisson process whose rate is constant in each hour from `begin_at` on."""
    left = chance.expovariate(1.0)
    for number, rate in enumerate(rates):
        spent = 0.0
        while rate - spent > left:
            spent += left
            yield begin_at + (number + spent / rate) * HOUR
            left = chance.expovariate(1.0)
        left -= rate - spent


def poisson(mean: float, chance: random.Random) -> int:
    """Draw how often something happens that happens `mean` times on average."""
    return sum(1 for _ in moments([mean], 0, chance))


def expected(rates: Sequence[float], begin_at: int, start_at: float, end_at: float) -> float:
    """Return how many orders are expected between two moments; `rates` are those of the hours from `begin_at` on."""
    total, at = 0.0, start_at
    while at < end_at:
        number = int(at - begin_at) // HOUR
        upto = min(end_at, begin_at + (number + 1) * HOUR)
        total += rates[number] * (upto - at) / HOUR if number < len(rates) else 0.0
        at = upto
    return total
