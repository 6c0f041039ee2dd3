"""Which Stripe event moves which metric, for the reference pages; a test plays every event and compares."""

from __future__ import annotations

from bw_exporter.facts import READERS
from bw_exporter.metrics import catalog
from bw_exporter.metrics.family import Family
from bw_exporter.metrics.labels import HANDLED_EVENT_TYPES

EVERY_EVENT: tuple[Family, ...] = (
    catalog.EVENTS,
    catalog.WEBHOOK_LAG,
    catalog.LAST_EVENT,
    catalog.WEBHOOK_REQUESTS,
    catalog.STORE_COMMITS,
)
"""What an event of any type moves when it is first applied."""

NO_EVENT: tuple[Family, ...] = (
    catalog.EVENTS_IGNORED,
    catalog.TENANT_CREATED,
    catalog.EVENTS_CAUGHT_UP,
    catalog.STRIPE_NEWEST_EVENT,
    catalog.CATCH_UP_SUCCESS,
    catalog.CATCH_UP_ERRORS,
    catalog.ENDPOINT_ENABLED,
    catalog.FAMILY_BEGAN,
)
"""What the store keeps and no event moves when it is applied: what is ignored, catch-up, the store's own notes."""

FEEDS: dict[str, tuple[Family, ...]] = {
    name: READERS[name].moves for name in HANDLED_EVENT_TYPES if name in READERS and READERS[name].moves
}
"""What an event of a type may move beside that: of its own object, now or when its check's grace is over.

Revenue by the tenant's basis alone, and attempts and failures from payment intents on that basis only.
"""

EXPLAINS: dict[str, tuple[Family, ...]] = {
    name: READERS[name].explains for name in HANDLED_EVENT_TYPES if name in READERS and READERS[name].explains
}
"""Events by which a check sees that what looks like a mistake is none."""

SELECT: tuple[str, ...] = tuple(
    name for name in HANDLED_EVENT_TYPES if (name in FEEDS or name in EXPLAINS) and READERS[name].select
)
"""The events to select at Stripe."""

UNWANTED = "invoice.created"
"""The event not to select: Stripe holds invoices back until it is answered."""


def feeding(family: Family) -> tuple[str, ...]:
    """Return the event types that move a family; none for one that all of them move, or none of them does."""
    return tuple(name for name in HANDLED_EVENT_TYPES if family in FEEDS.get(name, ()))
