"""What a kind of shop is: how much it sells when, how often payments fail, and what changes without being trouble."""

from __future__ import annotations

from dataclasses import dataclass

_Hours = tuple[float, ...]

ROUND_THE_CLOCK: _Hours = (
    7,
    7,
    6,
    6,
    7,
    7,
    8,
    9,
    10,
    11,
    12,
    12,
    12,
    12,
    12,
    12,
    12,
    12,
    11,
    11,
    10,
    10,
    9,
    8,
)
CONSUMERS: _Hours = (
    2,
    1,
    0.4,
    0.2,
    0.1,
    0.3,
    1,
    3,
    6,
    9,
    11,
    12,
    13,
    12,
    11,
    11,
    12,
    13,
    15,
    17,
    18,
    15,
    10,
    5,
)
EVENINGS: _Hours = (3, 1, 0.4, 0.1, 0.1, 0.2, 0.5, 1, 2, 4, 5, 6, 8, 8, 7, 8, 10, 14, 20, 26, 28, 25, 16, 8)
OFFICE: _Hours = (0, 0, 0, 0, 0, 0, 0, 2, 8, 14, 16, 14, 9, 12, 15, 14, 10, 4, 1, 0, 0, 0, 0, 0)
BREAKFAST: _Hours = (0, 0, 0, 0, 0, 5, 20, 26, 18, 12, 10, 13, 15, 12, 9, 8, 8, 6, 3, 0, 0, 0, 0, 0)
"""How busy each hour of the shop's own clock is, in any unit."""

EVERY_DAY = (1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
QUIET_WEEKENDS = (1.0, 1.0, 1.0, 1.0, 1.05, 0.8, 0.75)
WEEKDAYS = (1.1, 1.15, 1.1, 1.05, 0.9, 0.0, 0.0)
WEEKENDS = (0.3, 0.3, 0.35, 0.5, 1.6, 2.2, 1.9)
"""How busy each weekday is, Monday first, in any unit."""


@dataclass(frozen=True, slots=True)
class Stream:
    """Orders in one currency: how many a day, and how much each in minor units (median, and sigma of its log)."""

    currency: str
    orders_a_day: float
    amount: int
    spread: float = 0.5


@dataclass(frozen=True, slots=True)
class Spell:
    """Days on which a shop sells or charges otherwise and nothing is wrong: a closure, a sale, a price cut.

    `day` counts from the first judged day. `orders` and `price` are multiples of the usual.
    """

    name: str
    day: float
    days: float
    orders: float = 1.0
    price: float = 1.0


@dataclass(frozen=True, slots=True)
class Renewals:
    """Invoices collected at 01:00 UTC of some days of the month; what fails is tried again days later (dunning)."""

    invoices: int
    amount: int
    spread: float = 0.0
    days: tuple[int, ...] = (1,)
    failing: float = 0.09
    retry_after_days: tuple[int, ...] = (3, 2, 2)
    retry_failing: float = 0.6


@dataclass(frozen=True, slots=True)
class Shop:
    """One tenant. `failing` is the share of payments that fail always; a few fail again when they are tried again."""

    name: str
    kind: str
    streams: tuple[Stream, ...]
    timezone: str = "Europe/Berlin"
    hours: _Hours = CONSUMERS
    week: tuple[float, ...] = QUIET_WEEKENDS
    failing: float = 0.05
    disputes_a_day: float = 0.03
    growth_a_week: float = 0.0
    spells: tuple[Spell, ...] = ()
    renewals: Renewals | None = None
    retries_a_day: int = 0
    """Old invoices tried again each day at 06:00 UTC, three quarters of which fail."""
    born_day: float | None = None
    """The judged day on which the exporter first knows it; None: long before."""
    imported: int = 0
    """Old charges that are reported for the first time in the two days after that."""
