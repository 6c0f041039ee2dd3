"""Shops at work: what happens when, posted at a steady rate, repeated until it is answered 200."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http import HTTPStatus

from bw_exporter.config.tenants import Tenant
from bw_simulator.sender import Answer, Connection, UndeliverableError, sign, webhook_path
from bw_simulator.shop import anomalies
from bw_simulator.shop.deliveries import Delivery, deliveries
from bw_simulator.shop.traffic import Shop

_REPEATED = frozenset(
    {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
    | {HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT}
)
"""Answers after which another try may do better; Stripe itself repeats after any but 2xx."""

_LONGEST_WAIT_SECONDS = 15.0
_MOST_WAITING = 10_000
"""With so many events unanswered the shops take a break, so that memory stays small."""

_BEHIND_SECONDS = 2.0
_NAP_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Strike:
    """An anomaly that is to strike a tenant at a time of the simulation's clock."""

    at: float
    name: str
    tenant_id: str


@dataclass(slots=True)
class Tally:
    """What was posted so far, and how it was answered."""

    acknowledged: Counter[tuple[str, str]] = field(default_factory=Counter)
    again: int = 0
    out_of_order: int = 0
    repeated: int = 0
    refused: Counter[tuple[str, Answer]] = field(default_factory=Counter)
    unreachable: str = ""

    @property
    def posted(self) -> int:
        """Deliveries that were answered 200."""
        return sum(self.acknowledged.values())


class Simulation:
    """Posts what happens in the shops of some tenants to one exporter.

    `clock` gives Unix seconds and `sleep` waits; `on_strike` is called with each anomaly as it strikes.
    """

    def __init__(
        self,
        tenants: Iterable[Tenant],
        url: str,
        *,
        seed: int,
        rate: float,
        strikes: Iterable[Strike],
        clock: Callable[[], float],
        sleep: Callable[[float], object],
        on_strike: Callable[[Strike], None],
    ) -> None:
        self.tally = Tally()
        self._url = url
        self._seed = seed
        self._rate = rate
        self._clock, self._sleep, self._on_strike = clock, sleep, on_strike
        self._connection = Connection(url)
        self._tenants = {tenant.id: tenant for tenant in tenants}
        started_at = int(clock())
        self._shops = {
            tenant.id: Shop(tenant.id, seed=seed, started_at=started_at, livemode=tenant.mode == "live")
            for tenant in self._tenants.values()
        }
        self._random = random.Random(seed)  # noqa: S311 - a repeatable one is the point
        self._strikes = sorted(strikes, key=lambda strike: strike.at)
        self._waiting: list[tuple[float, int, int, Delivery]] = []
        self._count = 0
        self._next_at = clock()

    @property
    def waiting(self) -> int:
        """Events that are not acknowledged yet and will be posted again."""
        return len(self._waiting)

    @property
    def strikes_left(self) -> int:
        """Anomalies that have not struck yet."""
        return len(self._strikes)

    def strike(self, name: str, tenant_id: str) -> None:
        """Let an anomaly strike a tenant at the next step."""
        self._strikes.insert(0, Strike(self._clock(), name, tenant_id))

    def step(self) -> None:
        """Do the next thing that is due, or sleep a little towards it."""
        now = self._clock()
        if self._strikes and self._strikes[0].at <= now:
            self._strike(self._strikes.pop(0), int(now))
        elif self._waiting and self._waiting[0][0] <= now:
            self.repeat()
        elif self._next_at <= now and len(self._waiting) < _MOST_WAITING:
            self._next_at = max(self._next_at, now - _BEHIND_SECONDS) + self._happen(int(now)) / self._rate
        else:
            dues = [self._next_at, *(strike.at for strike in self._strikes[:1])]
            dues += [due for due, *_ in self._waiting[:1]]
            self._sleep(min(max(min(dues) - now, 0.001), _NAP_SECONDS))

    def drain(self, seconds: float) -> None:
        """Repeat what was not acknowledged yet, for at most so many seconds."""
        until = self._clock() + seconds
        while self._waiting and (now := self._clock()) < until:
            if self._waiting[0][0] <= now:
                self.repeat()
            else:
                self._sleep(min(self._waiting[0][0] - now, _NAP_SECONDS))

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _happen(self, now: int) -> int:
        """Post the next events of one of the shops; return how many."""
        open_shops = [name for name, shop in self._shops.items() if shop.mood != "silent"]
        if not open_shops:
            return 1
        tenant_id = self._random.choice(open_shops)
        made, out_of_order = deliveries(tenant_id, self._shops[tenant_id].next(now), self._random)
        self.tally.out_of_order += out_of_order
        for delivery in made:
            self._post(delivery)
        return len(made)

    def _strike(self, strike: Strike, now: int) -> None:
        shop = self._shops[strike.tenant_id]
        events = anomalies.strike(strike.name, shop, strike.tenant_id, now, seed=self._seed)
        self._on_strike(strike)
        for delivery in deliveries(strike.tenant_id, [shop.stamped(one) for one in events])[0]:
            self._post(delivery)

    def repeat(self) -> None:
        """Post again what has waited longest."""
        _, _, tries, delivery = heapq.heappop(self._waiting)
        self.tally.repeated += 1
        self._post(delivery, tries)

    def _post(self, delivery: Delivery, tries: int = 0) -> None:
        """Post once, signed now; what may do better later waits for another try."""
        tenant, now = self._tenants[delivery.tenant_id], self._clock()
        wait = min(2.0**tries / 2, _LONGEST_WAIT_SECONDS)
        signature = sign(delivery.body, tenant.secrets[0], int(now))
        try:
            answer = self._connection.post(webhook_path(self._url, tenant), delivery.body, signature)
        except UndeliverableError as error:
            self.tally.unreachable = str(error)
            self._wait(now + wait, tries + 1, delivery)
            return
        self.tally.unreachable = ""
        if answer.status == HTTPStatus.OK:
            self.tally.acknowledged[delivery.tenant_id, delivery.event_type] += 1
            self.tally.again += delivery.again
        elif answer.status in _REPEATED:
            self._wait(now + max(wait, answer.retry_after_seconds), tries + 1, delivery)
        else:
            self.tally.refused[delivery.tenant_id, answer] += 1

    def _wait(self, until: float, tries: int, delivery: Delivery) -> None:
        self._count += 1
        heapq.heappush(self._waiting, (until, self._count, tries, delivery))
