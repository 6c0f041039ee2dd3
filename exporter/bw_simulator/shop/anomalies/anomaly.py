"""What an anomaly is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bw_simulator.shop.ids import Ids
from bw_simulator.shop.shapes import Json
from bw_simulator.shop.traffic import Mood, Shop


@dataclass(frozen=True, slots=True)
class Anomaly:
    """What happens, what one should see, and what it leaves of the shop's ordinary traffic.

    `events` takes an id source and the present, and gives the events to post at once, in that order; `to_shop` takes
    the shop and the present, and gives those about what the shop has.
    """

    happens: str
    see: str
    events: Callable[[Ids, int], list[Json]]
    leaves: Mood = "open"
    to_shop: Callable[[Shop, int], list[Json]] = lambda _shop, _now: []


def nothing(_: Ids, __: int) -> list[Json]:
    """Return no events, for an anomaly that is an absence."""
    return []
