"""What happens at a shop, second by second: charges, invoices, disputes, findings, and the trouble there is."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, auto
from operator import attrgetter
from typing import NamedTuple

from bw_simulator.fleet.calendar import DAY, HOUR, Calendar
from bw_simulator.fleet.incident import Incident, Trouble
from bw_simulator.fleet.rates import born_at, hourly, moments, poisson, spells_at
from bw_simulator.fleet.shop import Renewals, Shop, Stream

RENEWAL_HOUR, RETRY_HOUR = 1, 6
"""When (UTC) invoices are collected, and when old ones are tried again."""

_AGAIN = 0.5
"""The share of those declined who try again within minutes."""
_AGAIN_FAILING = 2.5
"""How much more often they are declined than others."""


class Kind(Enum):
    """What an event tells. Findings are the exporter's own: they are no event of Stripe's."""

    SUCCEEDED = auto()
    FAILED = auto()
    DISPUTE = auto()
    OTHER = auto()
    DUPLICATE = auto()
    MISMATCH = auto()


FINDINGS = (Kind.DUPLICATE, Kind.MISMATCH)


class Event(NamedTuple):
    """Told at `at` of what was made at `made_at` (Unix seconds); `amount` is in minor units of the currency."""

    at: float
    made_at: float
    kind: Kind
    amount: int = 0
    currency: str = ""
    reason: str = ""
    invoice: bool = False


_ORDER = attrgetter("at")


@dataclass(frozen=True, slots=True)
class Traffic:
    """All events of a shop in order, and the orders that each hour should have brought, by currency."""

    events: list[Event]
    rates: dict[str, list[float]]


@dataclass(frozen=True, slots=True)
class _Context:
    shop: Shop
    calendar: Calendar
    incidents: tuple[Incident, ...]
    chance: random.Random

    def going_on(self, trouble: Trouble, at: float) -> Iterator[Incident]:
        for one in self.incidents:
            begin, end = one.begin_at(self.calendar), one.end_at(self.calendar)
            if one.trouble is trouble and begin <= at < end:
                yield one

    def failing(self, at: float) -> float | None:
        """Return the share of payments that an incident lets fail now."""
        for one in self.going_on(Trouble.PAYMENTS_FAIL, at):
            begin, end = one.begin_at(self.calendar), one.end_at(self.calendar)
            usual = self.shop.failing
            return usual + (one.size - usual) * (at - begin) / (end - begin) if one.slow else one.size
        return None


def traffic(shop: Shop, incidents: Iterable[Incident], calendar: Calendar, seed: int) -> Traffic:
    """Return what happens at the shop in the whole calendar, with those of the incidents that are its own."""
    mine = tuple(one for one in incidents if one.shop == shop.name)
    context = _Context(shop, calendar, mine, random.Random(f"{seed} {shop.name}"))  # noqa: S311 - made up
    rates = {stream.currency: hourly(shop, stream, calendar, seed) for stream in shop.streams}
    found: list[Event] = []
    for stream in shop.streams:
        found += _orders(context, stream, rates[stream.currency])
    if shop.renewals:
        found += _renewals(context, shop.renewals)
    found += _retries(context)
    found += _disputes(context)
    found += _imported(context)
    found += _payouts(context)
    for one in mine:
        found += _made_by(context, one)
    since = max(calendar.begin_at, born_at(shop, calendar) or 0)
    return Traffic(sorted((one for one in found if since <= one.at < calendar.end_at), key=_ORDER), rates)


def _charge(
    context: _Context,
    at: float,
    amount: int,
    currency: str,
    failing: float,
    *,
    invoice: bool = False,
    why: str = "",
) -> tuple[bool, list[Event]]:
    """Return whether a charge failed, and the events of it."""
    chance = context.chance
    failed = chance.random() < failing
    if failed:
        reason = why or chance.choice(("card_declined", "insufficient_funds"))
        event = Event(at, at, Kind.FAILED, 0, currency, reason, invoice)
    else:
        event = Event(at, at, Kind.SUCCEEDED, amount, currency, "", invoice)
    others = 1 if failed else 2
    return failed, [event, *(Event(at + chance.random(), at, Kind.OTHER) for _ in range(others))]


def _orders(context: _Context, stream: Stream, rates: list[float]) -> Iterator[Event]:
    chance = context.chance
    for first in moments(rates, context.calendar.begin_at, chance):
        missing = (
            one.size
            for one in context.going_on(Trouble.CHECKOUT_DEAD, first)
            if one.currency == stream.currency
        )
        if any(chance.random() < share for share in missing):
            continue
        price = stream.amount
        for spell in spells_at(context.shop, first, context.calendar):
            price = round(price * spell.price)
        amount, at, usual = (
            max(1, round(price * chance.lognormvariate(0, stream.spread))),
            first,
            context.shop.failing,
        )
        for _ in range(3):
            share = context.failing(at)
            why = "processing_error" if share is not None else ""
            failed, events = _charge(
                context, at, amount, stream.currency, usual if share is None else share, why=why
            )
            yield from events
            if not failed or chance.random() > _AGAIN:
                break
            at += chance.uniform(40, 400)
            usual = min(0.6, _AGAIN_FAILING * context.shop.failing)


def _renewals(context: _Context, renewals: Renewals) -> Iterator[Event]:
    chance, currency = context.chance, context.shop.streams[0].currency
    for midnight in _days(context):
        if datetime.fromtimestamp(midnight, UTC).day not in renewals.days:
            continue
        for _ in range(renewals.invoices):
            at = midnight + RENEWAL_HOUR * HOUR + chance.gammavariate(2, 900)
            amount = max(1, round(renewals.amount * chance.lognormvariate(0, renewals.spread)))
            share = context.failing(at)
            failed, events = _charge(
                context, at, amount, currency, renewals.failing if share is None else share, invoice=True
            )
            yield from events
            for days in renewals.retry_after_days:
                if not failed:
                    break
                at += days * DAY + chance.uniform(-300, 300)
                failed, events = _charge(context, at, amount, currency, renewals.retry_failing, invoice=True)
                yield from events


def _retries(context: _Context) -> Iterator[Event]:
    if not context.shop.retries_a_day:
        return
    stream = context.shop.streams[0]
    for midnight in _days(context):
        for _ in range(poisson(context.shop.retries_a_day, context.chance)):
            at = midnight + RETRY_HOUR * HOUR + context.chance.gammavariate(2, 400)
            yield from _charge(context, at, stream.amount, stream.currency, 0.75, invoice=True)[1]


def _disputes(context: _Context) -> Iterator[Event]:
    hours = (context.calendar.end_at - context.calendar.begin_at) // HOUR
    for at in moments([context.shop.disputes_a_day / 24] * hours, context.calendar.begin_at, context.chance):
        yield Event(at, at, Kind.DISPUTE)


def _imported(context: _Context) -> Iterator[Event]:
    born = born_at(context.shop, context.calendar)
    if born is None:
        return
    stream = context.shop.streams[0]
    for _ in range(context.shop.imported):
        at = born + HOUR + context.chance.uniform(0, 2 * DAY)
        made_at = at - context.chance.uniform(10 * DAY, 400 * DAY)
        failed, events = _charge(context, at, stream.amount, stream.currency, context.shop.failing)
        yield from (event._replace(made_at=made_at) for event in events)
        if failed and context.chance.random() < 0.1:  # noqa: PLR2004 - some old charges were disputed
            yield Event(at, made_at, Kind.DISPUTE)


def _payouts(context: _Context) -> Iterator[Event]:
    """Two events on each weekday on which there was something to pay out."""
    a_day = sum(stream.orders_a_day for stream in context.shop.streams)
    for midnight in _days(context):
        closed = any(
            not spell.orders for spell in spells_at(context.shop, midnight - DAY // 2, context.calendar)
        )
        weekday = (midnight // DAY + 3) % 7 < 5  # noqa: PLR2004 - Monday is 0
        if weekday and not closed and context.chance.random() < min(1.0, a_day):
            for hour in (context.chance.uniform(0, 2), context.chance.uniform(6, 11)):
                at = midnight + hour * HOUR
                yield Event(at, at, Kind.OTHER)


def _made_by(context: _Context, incident: Incident) -> Iterator[Event]:
    """Events that there would not be without the incident."""
    begin, end = incident.begin_at(context.calendar), incident.end_at(context.calendar)
    currency = context.shop.streams[0].currency
    kinds = {
        Trouble.DISPUTES: Kind.DISPUTE,
        Trouble.DUPLICATES: Kind.DUPLICATE,
        Trouble.MISMATCHES: Kind.MISMATCH,
    }
    if incident.trouble is not Trouble.CARD_TESTING and incident.trouble not in kinds:
        return
    for _ in range(int(incident.size)):
        at = context.chance.uniform(begin, end)
        if incident.trouble is Trouble.CARD_TESTING:
            yield from _charge(context, at, 100, currency, 0.95, why="card_declined")[1]
        else:
            yield Event(at, at, kinds[incident.trouble])


def _days(context: _Context) -> range:
    return range(context.calendar.begin_at, context.calendar.end_at, DAY)
