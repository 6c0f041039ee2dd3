"""Five shops over three weeks, of the kinds that paged at night and at weekends, and what goes wrong at them."""

from __future__ import annotations

from bw_simulator.fleet.calendar import Calendar
from bw_simulator.fleet.incident import Incident, Trouble
from bw_simulator.fleet.past import Fleet
from bw_simulator.fleet.shops import FLEET

_NAMES = ("bakery", "escape", "parts", "pottery", "gym")

INCIDENTS = (
    Incident(Trouble.PAYMENTS_FAIL, "gym", 2, 11, 3, 0.9),
    Incident(Trouble.PAYMENTS_FAIL, "parts", 3, 15, 4, 0.7),
    Incident(Trouble.CARD_TESTING, "escape", 1, 3, 1, 40),
    Incident(Trouble.CHECKOUT_DEAD, "gym", 3, 8, 24, 1.0, "usd"),
    Incident(Trouble.CHECKOUT_DEAD, "escape", 4, 9, 20, 1.0, "eur"),
    Incident(Trouble.ENDPOINT_DEAD, "bakery", 3, 9, 6),
    Incident(Trouble.ENDPOINT_DEAD, "parts", 1, 15, 5),
    Incident(Trouble.LATE, "bakery", 4, 10, 3, 600),
    Incident(Trouble.DISPUTES, "bakery", 1, 10, 8, 6),
    Incident(Trouble.DUPLICATES, "gym", 1, 12, 0.1),
)

SMALL = Fleet(
    tuple(shop for shop in FLEET if shop.name in _NAMES),
    INCIDENTS,
    Calendar(habit_days=15, judged_days=6, habit_step=300, step=300),
    seed=1,
)
"""Scraped each five minutes: as coarse as Prometheus allows without gaps, so that it takes seconds."""
