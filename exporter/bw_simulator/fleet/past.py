"""Writes the past of a fleet, and says what was wrong in it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from bw_simulator.fleet.calendar import Calendar
from bw_simulator.fleet.delivery import received_at
from bw_simulator.fleet.evidence import sure_at
from bw_simulator.fleet.exposition import write_exporter, write_shop
from bw_simulator.fleet.incident import Incident, Trouble
from bw_simulator.fleet.interruptions import scrapes
from bw_simulator.fleet.shop import Shop
from bw_simulator.fleet.traffic import traffic

_LATE_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Truth:
    """What is true of an incident in one past, in Unix seconds.

    `sure_at` is when it could be known, `settled_at` when the last event arrived that it had made late.
    """

    incident: Incident
    begin_at: int
    end_at: int
    sure_at: int
    settled_at: int


@dataclass(frozen=True, slots=True)
class Fleet:
    """Shops, what goes wrong at them, when, and the seed of all that chance decides."""

    shops: tuple[Shop, ...]
    incidents: tuple[Incident, ...]
    calendar: Calendar
    seed: int

    def shop(self, name: str) -> Shop:
        """Return a shop by its name."""
        return next(one for one in self.shops if one.name == name)


def write(fleet: Fleet, path: Path) -> tuple[list[Truth], list[Incident]]:
    """Write the past as OpenMetrics; return what was wrong, and incidents that chance made too small to be seen."""
    found, unseen = [], []
    every = list(scrapes(fleet.calendar, fleet.seed))
    answered = [at for at, up in every if up]
    with path.open("w", encoding="utf-8", buffering=1 << 20) as out:
        for shop in fleet.shops:
            made = traffic(shop, fleet.incidents, fleet.calendar, fleet.seed)
            at = received_at(shop, made.events, fleet.incidents, fleet.calendar, fleet.seed)
            received = list(zip(at, made.events, strict=True))
            write_shop(out, shop, received, answered, fleet.calendar, fleet.seed)
            for incident in (one for one in fleet.incidents if one.shop == shop.name):
                sure = sure_at(incident, shop, made, received, fleet.calendar)
                if sure is None:
                    unseen.append(incident)
                    continue
                begin, end = incident.begin_at(fleet.calendar), incident.end_at(fleet.calendar)
                late = [
                    moment
                    for moment, event in received
                    if begin <= event.at < end and _LATE_SECONDS < moment - event.at < math.inf
                ]
                held = incident.trouble in (Trouble.LATE, Trouble.ENDPOINT_DEAD)
                settled = max(late, default=end) if held else end
                found.append(Truth(incident, begin, end, math.ceil(sure), math.ceil(max(settled, end))))
        write_exporter(out, fleet.shops, every)
    return found, unseen
