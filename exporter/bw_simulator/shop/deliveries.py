"""How Stripe delivers: now and then the same event twice, now and then in another order."""

from __future__ import annotations

import random
from dataclasses import dataclass

from bw_simulator.shop.events import body
from bw_simulator.shop.shapes import Json

_AGAIN = 0.02
_OUT_OF_ORDER = 0.15


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way to one tenant. `again`: it was delivered before; the body is the same."""

    tenant_id: str
    event_type: str
    body: bytes
    again: bool = False


def deliveries(
    tenant_id: str, events: list[Json], chance: random.Random | None = None
) -> tuple[list[Delivery], bool]:
    """Return the deliveries of what happened, and whether they are out of order.

    Without `chance` everything comes once and in order.
    """
    ordered = [Delivery(tenant_id, event["type"], body(event)) for event in events]
    if chance is None:
        return ordered, False
    placed = list(ordered)
    if chance.random() < _OUT_OF_ORDER:
        chance.shuffle(placed)
    twice = [Delivery(one.tenant_id, one.event_type, one.body, again=True) for one in placed]
    repeats = [one for one in twice if chance.random() < _AGAIN]
    return placed + repeats, placed != ordered
