"""What the facts of one type of event are read by, and what the event is good for: the one source of both.

The amounts that are checked, the events to select at Stripe and the tables of docs/stripe.md follow from these.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bw_exporter.facts.event import Event
from bw_exporter.metrics.family import Family

Fact = object
"""One of the frozen dataclasses in this package; effects and checks pick theirs by type."""


@dataclass(frozen=True, slots=True)
class Reader:
    """How events of one type are read.

    `moves` are the metrics that such an event may move beside those that every event moves, now or when its
    check is resolved. `explains` are the metrics of the checks that it helps only to judge. `select` is false where
    another event says the same, so that nobody need select it at Stripe.
    """

    read: Callable[[Event], tuple[Fact, ...]]
    moves: tuple[Family, ...] = ()
    explains: tuple[Family, ...] = ()
    select: bool = True


@dataclass(frozen=True, slots=True)
class Listed:
    """How an object of one of Stripe's lists is read: as if in an event of this type, which is none of Stripe's."""

    type: str
    read: Callable[[Event], tuple[Fact, ...]]


@dataclass(frozen=True, slots=True)
class Amounts:
    """The fields of one type of object that are amounts, in minor units: `natural` ones are never negative."""

    natural: tuple[str, ...] = ()
    signed: tuple[str, ...] = ()
