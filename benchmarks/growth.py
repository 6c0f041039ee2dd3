"""Whether an event's cost grows with what the store knows: ordinary shops, beside a store that knows nothing.

Nothing is resolved meanwhile. With each sale or renewal comes the invoice of a subscription that is older than the
store and was never told of, which leaves a deferred check behind: as a day of renewals on a fresh install does.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from statistics import median

import orjson

from benchmarks.load import tenant_name
from benchmarks.row import Row
from benchmarks.scrape import configured
from bw_exporter import ingest
from bw_exporter.config.tenants import Tenant
from bw_exporter.store import PromptStore, open_store
from bw_simulator.shop.events import event
from bw_simulator.shop.ids import Ids
from bw_simulator.shop.memberships import bill, membership
from bw_simulator.shop.objects.subscriptions import MONTH_SECONDS
from bw_simulator.shop.plans import catalogue
from bw_simulator.shop.sales import new_buyer
from bw_simulator.shop.traffic import Shop

NEEDED = 1.2
STARTED_AT = 1_795_000_000
GROUP = 16
"""Events in a transaction, about as many as a worker's loop gathers under load."""

_TURN, _TURNS = 160, 15


@dataclass(slots=True)
class Growing:
    """A store of one tenant and the bodies that its shop sends, without end."""

    store: PromptStore
    tenant: Tenant
    bodies: Iterator[bytes]
    known: int = 0
    took: list[float] = field(default_factory=list)

    def take_in(self, count: int) -> float:
        """Read and commit so many events; return the CPU seconds that one took."""
        bodies, begun = list(islice(self.bodies, count)), time.process_time()
        for start in range(0, count, GROUP):
            group = bodies[start : start + GROUP]
            works = [ingest.read(body, self.tenant, STARTED_AT).work for body in group]
            outcomes = self.store.try_write(works)
            if outcomes is None or any(error for _, error in outcomes):
                raise RuntimeError("an event was not taken in")
        self.known += count
        return (time.process_time() - begun) / count


def run(quick: bool) -> list[Row]:  # noqa: FBT001 - every benchmark's signature
    """Return the CPU of an event beside so many that are known, for each one beside none."""
    sizes = (10_000, 50_000) if quick else (10_000, 50_000, 500_000)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        grown = _new(f"sqlite:///{folder}/grown.db", seed=1)
        for number, size in enumerate(sizes):
            print(f"growth: {size} events …", file=sys.stderr, flush=True)
            while grown.known < size:
                grown.take_in(min(2000, size - grown.known))
            grown.took.clear()
            fresh = _new(f"sqlite:///{folder}/fresh{number}.db", seed=2 + number)
            fresh.take_in(_TURN)
            for _ in range(_TURNS):
                for each in (grown, fresh):
                    each.took.append(each.take_in(_TURN))
            rows.append(_row(size, grown, fresh))
            fresh.store.close()
        grown.store.close()
    return rows


def _new(url: str, seed: int) -> Growing:
    (tenant,) = configured([tenant_name(0)]).tenants.all
    store = open_store(url)
    assert isinstance(store, PromptStore)
    store.register([tenant.id], STARTED_AT)
    return Growing(store, tenant, _bodies(tenant.id, seed))


def _bodies(tenant_id: str, seed: int) -> Iterator[bytes]:
    shop, ids = Shop(tenant_id, seed=seed, started_at=STARTED_AT), Ids(f"older {seed}")
    price = catalogue(ids, "usd").prices[0]
    while True:
        member = membership(ids, buyer=new_buyer(ids), price=price, started_at=STARTED_AT - MONTH_SECONDS)
        invoice = bill(ids, STARTED_AT, member, reason="subscription_cycle", created_at=STARTED_AT - 3600)
        renewed = event(ids, "invoice.finalized", invoice, created_at=STARTED_AT)
        yield from map(orjson.dumps, (*shop.next(STARTED_AT), renewed))


def _row(size: int, grown: Growing, fresh: Growing) -> Row:
    ratio = median(mine / theirs for mine, theirs in zip(grown.took, fresh.took, strict=True))
    deferred = grown.store.write(lambda tx: len(tx.due(STARTED_AT + 10**6, 10**7)))
    mine, theirs = (f"{median(each.took) * 1e6:.0f} µs CPU" for each in (grown, fresh))
    figures = f"{mine} with {deferred} deferred checks; beside none {theirs}"
    what = f"an ordinary shop: CPU per event beside {size} known events : none"
    return Row(f"{ratio:.2f}", what, f"<= {NEEDED}", ratio <= NEEDED, figures)
