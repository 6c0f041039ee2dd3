"""What a shop made, delivered by webhooks, and what must be equal however its events came."""

from __future__ import annotations

import json

from bw_exporter import housekeeping, ingest
from bw_exporter.catch_up.turn import expected_types
from bw_exporter.metrics import catalog
from bw_exporter.store import Store, Transaction
from bw_simulator.fake_stripe import Json
from bw_simulator.shop.traffic import Shop
from support.listener import tenant

SHOP = tenant()
TYPES = expected_types(())
BY_ARRIVAL = (
    catalog.WEBHOOK_LAG,
    catalog.LAST_EVENT,
    catalog.WEBHOOK_REQUESTS,
    catalog.EVENTS_IGNORED,
    catalog.EVENTS_CAUGHT_UP,
    catalog.STRIPE_NEWEST_EVENT,
    catalog.CATCH_UP_SUCCESS,
    catalog.CATCH_UP_ERRORS,
    # Which movement it was is told by what came first; MRR itself, and their sum, are the same.
    catalog.MRR_MOVEMENT,
    catalog.MRR_MOVEMENTS,
)
"""What differs by the way an event came; all other series must not."""


def lived(seed: int, turns: int, *, began_at: int, every_seconds: int = 60) -> list[Json]:
    """The events of a shop, one turn each minute or so, in the order in which Stripe made them."""
    shop = Shop(SHOP.id, seed=seed, started_at=began_at)
    events = [event for number in range(turns) for event in shop.next(began_at + every_seconds * number)]
    return sorted((e for e in events if e["type"] in TYPES), key=lambda e: e["created"])


def deliver(store: Store, event: Json, now: int) -> None:
    ingest.receive(json.dumps(event).encode(), SHOP, store, now)


def deliver_all(store: Store, events: list[Json]) -> None:
    """Deliver each a second after it was made, in one transaction."""

    def work(tx: Transaction) -> None:
        for event in events:
            ingest.read(json.dumps(event).encode(), SHOP, int(event["created"]) + 1).work(tx)

    store.write(work)


def counts(store: Store, later_at: int) -> dict[str, int]:
    """Every series that does not tell of the way in which events came, once all checks are resolved."""
    for later in range(0, 7200, 300):
        housekeeping.resolve_due(store, later_at + later)
    names = tuple(name for family in BY_ARRIVAL for name in family.sample_names)
    kept = ("billing_last_", "billingwatch_", catalog.TENANT_CREATED.name)
    return {
        line: count
        for line, count in store.samples(SHOP.id).items()
        if count and not line.startswith((*names, *kept))
    }
