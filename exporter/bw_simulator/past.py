"""A simulated past: the exporter's own code counts the events of made-up shops, step by step."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar, cast

from bw_exporter import housekeeping, ingest
from bw_exporter.config.tenants import Tenant
from bw_exporter.errors import BillingWatchError
from bw_exporter.metrics.catalog import STORE_COMMITS
from bw_exporter.metrics.series import series
from bw_exporter.store import Store, Transaction
from bw_simulator.shop import anomalies
from bw_simulator.shop.deliveries import Delivery, deliveries
from bw_simulator.shop.rhythm import moments
from bw_simulator.shop.shapes import Json
from bw_simulator.shop.traffic import Shop

T = TypeVar("T")

HAPPENINGS_A_DAY = 220
"""About 1,200 events: enough for steady days in two currencies, and a second of work for each tenant and day."""

_NO_FAILURES_SECONDS, _NO_DISPUTES_SECONDS = 3600, 86_400
"""The end is without ordinary failures and disputes, so that the present may begin with all that a Shop allows."""

_LAGS_SECONDS = (0, 1, 1, 1, 2, 2, 3, 7)

_COMMITS = series(STORE_COMMITS, "").line


@dataclass(frozen=True, slots=True)
class Trouble:
    """An anomaly that struck a tenant in the past; with a later `until_at`, its traffic was whole again then."""

    tenant_id: str
    name: str
    at: int
    until_at: int


@dataclass(frozen=True, slots=True)
class Steps:
    """The moments of the scrapes (Unix seconds): one each `step_seconds`, the last at `end_at`."""

    start_at: int
    end_at: int
    step_seconds: int

    @property
    def moments(self) -> range:
        """All of them, oldest first."""
        first = self.end_at - (self.end_at - self.start_at) // self.step_seconds * self.step_seconds
        return range(first, self.end_at + 1, self.step_seconds)


@dataclass(slots=True)
class Scrapes:
    """What each scrape would have shown, by the line up to the value: (number of the step, value from then on)."""

    by_line: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    _latest: dict[str, int] = field(default_factory=dict)

    def note(self, step: int, samples: dict[str, int]) -> None:
        """Keep the lines of one scrape whose value has changed."""
        for line, value in samples.items() - self._latest.items():
            self.by_line.setdefault(line, []).append((step, value))
        self._latest.update(samples)


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
    at = steps.moments
    store.register([tenant.id for tenant in tenants], at[0])
    arriving = _arrivals(tenants, steps, seed, list(troubles))
    ahead = next(arriving, None)
    scrapes, commits = Scrapes(), -1
    for number, moment in enumerate(at):
        arrived = []
        while ahead is not None and ahead.at <= moment:
            arrived.append(ahead)
            ahead = next(arriving, None)
        if arrived:
            store.write(lambda tx, arrived=arrived: _received(tx, arrived))  # type: ignore[misc]
        housekeeping.resolve_due(store, moment)
        shared = store.samples("")
        if shared.get(_COMMITS) != commits:
            commits = shared.get(_COMMITS, 0)
            for tenant_id in ("", *(tenant.id for tenant in tenants)):
                scrapes.note(number, store.samples(tenant_id))
    return scrapes


@dataclass(frozen=True, slots=True)
class _Arrival:
    """A delivery as it reaches the exporter."""

    at: int
    tenant: Tenant
    delivery: Delivery


class _Inside:
    """A store within a transaction: what is written joins it."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    def write(self, work: Callable[[Transaction], T]) -> T:
        return work(self._tx)


def _received(tx: Transaction, arrived: Iterable[_Arrival]) -> None:
    inside = cast("Store", _Inside(tx))
    for each in arrived:
        ingest.receive(each.delivery.body, each.tenant, inside, each.at)


def _arrivals(
    tenants: Sequence[Tenant], steps: Steps, seed: int, troubles: list[Trouble]
) -> Iterator[_Arrival]:
    """Give the deliveries of all shops in the order in which they arrive."""
    lives = (
        _life(tenant, steps, seed, [one for one in troubles if one.tenant_id == tenant.id])
        for tenant in tenants
    )
    return heapq.merge(*lives, key=lambda arrival: arrival.at)


def _life(tenant: Tenant, steps: Steps, seed: int, troubles: Sequence[Trouble]) -> Iterator[_Arrival]:
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
            yield _Arrival(at, tenant, delivery)


def _turns(troubles: Sequence[Trouble], seed: int) -> list[tuple[int, Callable[[Shop], list[Json]]]]:
    """Return what changes when: the blow of each trouble, and the end of those that last."""

    def strikes(trouble: Trouble, shop: Shop) -> list[Json]:
        shop.suffer(anomalies.load(trouble.name).leaves)
        return anomalies.play(trouble.name, trouble.tenant_id, trouble.at, seed=seed)

    def ends(shop: Shop) -> list[Json]:
        shop.mood = "open"
        return []

    found: list[tuple[int, Callable[[Shop], list[Json]]]] = []
    for one in troubles:
        found.append((one.at, partial(strikes, one)))
        if one.until_at > one.at:
            found.append((one.until_at, ends))
    return sorted(found, key=lambda turn: turn[0])
