"""A simulated past: the exporter's own code counts the events of made-up shops, step by step."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from bw_exporter.config.tenants import Tenant
from bw_exporter.errors import BillingWatchError
from bw_exporter.past.steps import Arrival, Scrapes, Steps, live_through
from bw_exporter.store import Store
from bw_simulator.shop import anomalies
from bw_simulator.shop.deliveries import deliveries
from bw_simulator.shop.rhythm import moments
from bw_simulator.shop.shapes import Json
from bw_simulator.shop.traffic import Shop

HAPPENINGS_A_DAY = 220
"""About 1,200 events: enough for steady days in two currencies, and a second of work for each tenant and day."""

_NO_FAILURES_SECONDS, _NO_DISPUTES_SECONDS = 3600, 86_400
"""The end is without ordinary failures and disputes, so that the present may begin with all that a Shop allows."""

_LAGS_SECONDS = (0, 1, 1, 1, 2, 2, 3, 7)


@dataclass(frozen=True, slots=True)
class Trouble:
    """An anomaly that struck a tenant in the past; with a later `until_at`, its traffic was whole again then."""

    tenant_id: str
    name: str
    at: int
    until_at: int


def simulate(
    tenants: Sequence[Tenant], store: Store, steps: Steps, *, seed: int, troubles: Iterable[Trouble] = ()
) -> Scrapes:
    """Simulate the tenants' shops from the first step to the last and count their events in `store`, which must be new.

    The same tenants, steps, seed and troubles make the same past. Raises StoreUnavailableError, and
    BillingWatchError where the store already knows one of the tenants.
    """
    for tenant in tenants:
        if store.samples(tenant.id):
            raise BillingWatchError(
                f"the store already knows {tenant.id}: a past can only be given to a new store; name another file"
            )
    store.register([tenant.id for tenant in tenants], steps.moments[0])
    scrapes = Scrapes()
    for number, lines in live_through(tenants, store, steps, _arrivals(tenants, steps, seed, list(troubles))):
        scrapes.note(number, lines)
    return scrapes


def _arrivals(
    tenants: Sequence[Tenant], steps: Steps, seed: int, troubles: list[Trouble]
) -> Iterator[Arrival]:
    """Give the deliveries of all shops in the order in which they arrive."""
    lives = (
        _life(tenant, steps, seed, [one for one in troubles if one.tenant_id == tenant.id])
        for tenant in tenants
    )
    return heapq.merge(*lives, key=lambda arrival: arrival.at)


def _life(tenant: Tenant, steps: Steps, seed: int, troubles: Sequence[Trouble]) -> Iterator[Arrival]:
    """Give one shop's deliveries."""
    chance = random.Random(f"{seed}/{tenant.id}/past")  # noqa: S311 - a repeatable one is the point
    start_at, end_at = steps.moments[0], steps.end_at
    shop = Shop(tenant.id, seed=seed, started_at=start_at, livemode=tenant.mode == "live")
    ordinary = moments(chance, a_day=HAPPENINGS_A_DAY, start_at=start_at, end_at=end_at)
    for at, turn in heapq.merge(
        ((at, None) for at in ordinary), _turns(troubles, seed), key=lambda each: each[0]
    ):
        for budget, seconds in ((shop.failures, _NO_FAILURES_SECONDS), (shop.disputes, _NO_DISPUTES_SECONDS)):
            if at > end_at - seconds:
                budget.limit = 0
        if turn is None:
            events = shop.next(at - chance.choice(_LAGS_SECONDS))
        else:
            events = [shop.stamped(one) for one in turn(shop)]
        for delivery in deliveries(tenant.id, events, chance)[0]:
            yield Arrival(at, tenant, delivery.body)


def _turns(troubles: Sequence[Trouble], seed: int) -> list[tuple[int, Callable[[Shop], list[Json]]]]:
    """Return what changes when: the blow of each trouble, and the end of those that last."""

    def strikes(trouble: Trouble, shop: Shop) -> list[Json]:
        return anomalies.strike(trouble.name, shop, trouble.tenant_id, trouble.at, seed=seed)

    def ends(shop: Shop) -> list[Json]:
        shop.mood = "open"
        return []

    found: list[tuple[int, Callable[[Shop], list[Json]]]] = []
    for one in troubles:
        found.append((one.at, partial(strikes, one)))
        if one.until_at > one.at:
            found.append((one.until_at, ends))
    return sorted(found, key=lambda turn: turn[0])
