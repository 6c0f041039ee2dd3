"""When the exporter receives each event: within seconds as a rule, after Stripe's repeats where it was away."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable

from bw_simulator.fleet.calendar import Calendar
from bw_simulator.fleet.incident import Incident, Trouble
from bw_simulator.fleet.interruptions import deploys
from bw_simulator.fleet.shop import Shop
from bw_simulator.fleet.traffic import FINDINGS, Event

REPEATS_AFTER = (300, 1800, 7200, 14400, 28800, 57600, 86400, 172800, 259200)
"""Seconds after the first delivery at which Stripe tries again in live mode.

Stripe documents only "up to three days with an exponential back off"; the intervals are those that users report.
"""

STRAGGLERS = 1e-4
"""The share of events that come up to a quarter of an hour late for no reason worth a page."""


def received_at(
    shop: Shop, events: list[Event], incidents: Iterable[Incident], calendar: Calendar, seed: int
) -> list[float]:
    """Return for each event when it is received (Unix seconds), infinity for never. Findings take no time."""
    chance = random.Random(f"{seed} {shop.name} delivery")  # noqa: S311 - made up
    mine = [one for one in incidents if one.shop == shop.name]
    late = [
        (one.begin_at(calendar), one.end_at(calendar), one.size)
        for one in mine
        if one.trouble is Trouble.LATE
    ]
    away = deploys(calendar) + [
        (one.begin_at(calendar), one.end_at(calendar)) for one in mine if one.trouble is Trouble.ENDPOINT_DEAD
    ]
    found = []
    for event in events:
        if event.kind in FINDINGS:
            found.append(event.at)
            continue
        at = event.at + chance.lognormvariate(0.2, 0.7)
        if chance.random() < STRAGGLERS:
            at += chance.uniform(30, 900)
        for begin, end, seconds in late:
            if begin <= event.at < end:
                at += seconds * chance.uniform(0.6, 1.8)
        found.append(_first_success(at, away, chance))
    return found


def _first_success(first: float, away: list[tuple[int, int]], chance: random.Random) -> float:
    """Return the first of a delivery's tries that meets an exporter that is there."""
    if _there(first, away):
        return first
    tries = (first + seconds * chance.uniform(0.9, 1.1) for seconds in REPEATS_AFTER)
    return next((at for at in tries if _there(at, away)), math.inf)


def _there(at: float, away: list[tuple[int, int]]) -> bool:
    return not any(begin <= at < end for begin, end in away)
