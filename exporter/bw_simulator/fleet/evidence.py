"""When trouble could be known: delays are counted from there, as before it an alert would be a guess.

One who knows the shop's true rates sees only what is received, and is sure once the chance of it in an ordinary
time is below one in 10,000.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable

from bw_simulator.fleet.calendar import DAY, HOUR, MINUTE, Calendar
from bw_simulator.fleet.incident import Incident, Trouble
from bw_simulator.fleet.rates import expected
from bw_simulator.fleet.shop import Shop
from bw_simulator.fleet.traffic import FINDINGS, Event, Kind, Traffic

_SURE = 1e-4
_LATE_SECONDS = 30
_FEW = 3
"""A single late event, failure or dispute is none of anybody's business."""
_EVENTS_AN_ORDER = 2
"""Each order makes three events together; counted as two, as they are not three signs of life."""


def sure_at(
    incident: Incident,
    shop: Shop,
    traffic: Traffic,
    received: Iterable[tuple[float, Event]],
    calendar: Calendar,
) -> float | None:
    """Return when (Unix seconds) one could be sure of the incident; None if chance has made it too small to see."""
    begin, end = incident.begin_at(calendar), incident.end_at(calendar)
    seen = sorted(((at, e) for at, e in received if begin <= at < end + HOUR), key=lambda one: one[0])
    match incident.trouble:
        case Trouble.DUPLICATES | Trouble.MISMATCHES:
            return next((at for at, e in seen if e.kind in FINDINGS), None)
        case Trouble.LATE:
            late = [at for at, e in seen if e.kind not in FINDINGS and at - e.made_at > _LATE_SECONDS]
            return late[_FEW - 1] if len(late) >= _FEW else None
        case Trouble.DISPUTES:
            hits = [at for at, e in seen if e.kind is Kind.DISPUTE]
            usual = shop.disputes_a_day / DAY
            return _first(hits, lambda at, k: at_least(k, usual * max(at - begin, 6 * HOUR)))
        case Trouble.PAYMENTS_FAIL | Trouble.CARD_TESTING:
            return _failures_sure_at(incident, shop, seen)
        case Trouble.ENDPOINT_DEAD:
            rates = traffic.rates.values()
            due = ((at, _expected(rates, begin, at, calendar)) for at in range(begin, end + 1, MINUTE))
            return next((at for at, orders in due if _EVENTS_AN_ORDER * orders >= -math.log(_SURE)), None)
        case Trouble.CHECKOUT_DEAD:
            return _drop_sure_at(incident, traffic, seen, calendar)


def _first(hits: list[float], chance: Callable[[float, int], float]) -> float | None:
    return next((at for k, at in enumerate(hits, 1) if k >= _FEW and chance(at, k) < _SURE), None)


def at_least(count: int, mean: float) -> float:
    """Return the chance of `count` or more where `mean` are usual (Poisson)."""
    return max(0.0, 1.0 - at_most(count - 1, mean))


def at_most(count: int, mean: float) -> float:
    """Return the chance of `count` or fewer where `mean` are usual (Poisson)."""
    if count < 0:
        return 0.0
    logs = (
        (k * math.log(mean) - mean - math.lgamma(k + 1) for k in range(count + 1)) if mean else iter((0.0,))
    )
    return min(1.0, sum(math.exp(one) for one in logs))


def at_least_of(count: int, tries: int, share: float) -> float:
    """Return the chance of `count` or more of `tries`, each of the chance `share` (binomial)."""
    return min(1.0, sum(_exactly(k, tries, share) for k in range(count, tries + 1)))


def _exactly(count: int, tries: int, share: float) -> float:
    ways = math.lgamma(tries + 1) - math.lgamma(count + 1) - math.lgamma(tries - count + 1)
    return math.exp(ways + count * math.log(share) + (tries - count) * math.log1p(-share))


def _failures_sure_at(incident: Incident, shop: Shop, seen: list[tuple[float, Event]]) -> float | None:
    renewed = shop.renewals and incident.trouble is Trouble.PAYMENTS_FAIL
    usual = min(0.9, 1.2 * (shop.renewals.failing if renewed and shop.renewals else shop.failing))
    failures = tries = 0
    for at, event in seen:
        tries += event.kind in (Kind.FAILED, Kind.SUCCEEDED)
        if event.kind is Kind.FAILED:
            failures += 1
            if failures >= _FEW and failures > usual * tries and at_least_of(failures, tries, usual) < _SURE:
                return at
    return None


def _drop_sure_at(
    incident: Incident, traffic: Traffic, seen: list[tuple[float, Event]], calendar: Calendar
) -> float | None:
    begin, end = incident.begin_at(calendar), incident.end_at(calendar)
    sales = [at for at, e in seen if e.kind is Kind.SUCCEEDED and e.currency == incident.currency]
    for at in range(begin + 30 * MINUTE, end, MINUTE):
        due = 0.85 * _expected([traffic.rates[incident.currency]], begin, at, calendar)
        made = bisect_left(sales, at)
        if made <= due / 2 and at_most(made, due) < _SURE:
            return at
    return None


def _expected(rates: Iterable[list[float]], begin: float, at: float, calendar: Calendar) -> float:
    return sum(expected(each, calendar.begin_at, begin, at) for each in rates)
