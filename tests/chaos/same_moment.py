"""Deliver each event to two replicas on one PostgreSQL at the same moment, and compare what counts.

    python -m chaos.same_moment --events 10000

Two processes deliver the same events in the same order, each on many threads, so that most arrive at both at once.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier

from bw_exporter import ingest
from bw_exporter.config.tenants import RateLimit, Tenant
from bw_exporter.metrics.catalog import CHARGE_ATTEMPTS, EVENTS_IGNORED, REVENUE
from bw_exporter.metrics.series import series
from bw_exporter.store import open_store
from bw_simulator.shop import objects
from bw_simulator.shop.events import body, event
from bw_simulator.shop.ids import Ids
from support.postgres import running

NOW = 1_795_000_000
REPLICAS = 2
THREADS = 16

SHOP = Tenant(
    id="shop", name="Shop", mode="live", path="shop", secrets=("whsec_shop",), rate_limit=RateLimit(),
    revenue_basis="charge", detectors={}, notify=(), labels={},
)  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """`once` says how many events exactly one delivery of was accepted."""

    events: int
    once: int
    redelivered: int
    attempts: int
    revenue: int
    expected_revenue: int

    @property
    def exact(self) -> bool:
        counts = (self.once, self.redelivered, self.attempts)
        return counts == (self.events,) * 3 and self.revenue == self.expected_revenue

    def __str__(self) -> str:
        return (
            f"{self.events} events, each delivered to {REPLICAS} replicas at once: {self.once} accepted exactly once,"
            f" {self.attempts} counted, {self.redelivered} redelivered: {'exact' if self.exact else 'NOT EXACT'}"
        )


def delivered(events: int) -> list[tuple[str, int, bytes]]:
    ids = Ids("same moment")
    made = []
    for number in range(events):
        charge = objects.charge(ids, created_at=NOW, amount=100 + number, customer=ids.new("cus"))
        payload = body(event(ids, "charge.succeeded", charge, created_at=NOW))
        made.append((json.loads(payload)["id"], 100 + number, payload))
    return made


def replica(url: str, events: int, together: Barrier, told: SimpleQueue[list[str]]) -> None:
    todo = delivered(events)
    with closing(open_store(url)) as store, ThreadPoolExecutor(THREADS) as pool:
        together.wait(120)

        def one(each: tuple[str, int, bytes]) -> str:
            return each[0] if ingest.receive(each[2], SHOP, store, NOW) == "accepted" else ""

        told.put(list(pool.map(one, todo)))


def run(url: str, events: int) -> Outcome:
    with closing(open_store(url)) as store:
        store.register([SHOP.id], NOW)
        spawned = multiprocessing.get_context("spawn")
        together, told = spawned.Barrier(REPLICAS), spawned.SimpleQueue()
        replicas = [
            spawned.Process(target=replica, args=(url, events, together, told)) for _ in range(REPLICAS)
        ]
        for process in replicas:
            process.start()
        accepted = Counter(each for _ in replicas for each in told.get() if each)
        for process in replicas:
            process.join(60)
        samples = store.samples(SHOP.id)
    return Outcome(
        events,
        once=sum(times == 1 for times in accepted.values()),
        redelivered=samples[series(EVENTS_IGNORED, SHOP.id, ("redelivered",)).line],
        attempts=samples[series(CHARGE_ATTEMPTS, SHOP.id).line],
        revenue=samples[series(REVENUE, SHOP.id, ("usd",)).line],
        expected_revenue=sum(amount for _, amount, _ in delivered(events)),
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=10_000)
    args = parser.parse_args()
    with running() as server:
        outcome = run(server.new_store(), args.events)
    print(outcome)
    return 0 if outcome.exact else 1


if __name__ == "__main__":
    sys.exit(main())
