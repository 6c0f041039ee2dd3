"""Catch-up: what Stripe made and no webhook brought is applied as a webhook's body would be, exactly once.

Each account is asked for its events since a mark. An event that is older than `after` and unknown to the store counts
as missed: it goes through ingest's own transaction, which remembers its id, so that a webhook which still comes is
redelivered. The mark moves only once all before it is durable; what fails or ends in between is asked again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial

from bw_exporter import ingest
from bw_exporter.config.tenants import Tenant
from bw_exporter.facts.feeds import SELECT, UNWANTED
from bw_exporter.metrics import catalog
from bw_exporter.metrics.labels import HANDLED_EVENT_TYPES
from bw_exporter.metrics.series import RaiseTo, series
from bw_exporter.store.protocol import FOREVER, Store, Transaction
from bw_exporter.store.state_json import decoded, encoded
from bw_exporter.stripe_api.endpoints import Endpoint, selects
from bw_exporter.stripe_api.events import KEPT_SECONDS, VISIBLE_AFTER_SECONDS, ListedEvent, events_between
from bw_exporter.stripe_api.lists import Client

OVERLAP_SECONDS = 600
"""How far before the mark is asked again: Stripe may show an event some time after it was made."""

_AT_ONCE = 50
_FIRST_SPAN_SECONDS, _LONGEST_SPAN_SECONDS, _SHORTEST_SPAN_SECONDS = 3600, 86_400, 60
_FEW, _MANY = 100, 2000

_KIND, _KEY = "catch_up", "events"


@dataclass(frozen=True, slots=True)
class Checked:
    """What a store remembers of a tenant's catch-up: all events created until then are in it."""

    until_at: int = 0


@dataclass(frozen=True, slots=True)
class Caught:
    """What a turn found: how many events no webhook had brought, and when Stripe made the oldest of them."""

    missed: int = 0
    oldest_missed_at: int = 0


def expected_types(ours: Sequence[Endpoint]) -> frozenset[str]:
    """Return the types of events that a webhook should have brought.

    Those that are read here and that the tenant's endpoints select; where none is known, those that docs/stripe.md
    lists. Never invoice.created, which an endpoint should not have: an answer that is late delays the shop's invoices.
    """
    if not ours:
        return frozenset(SELECT)
    return frozenset(name for name in HANDLED_EVENT_TYPES if name != UNWANTED and selects(ours, name))


def catch_up(
    tenant: Tenant,
    client: Client,
    store: Store,
    now: int,
    *,
    after_seconds: int,
    types: Collection[str],
    since_at: int | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Caught:
    """Apply what no webhook has brought, from the tenant's mark to `after_seconds` before now.

    With `since_at` from then on, if that is earlier. Where `stopped` becomes true it ends early, and the mark tells
    how far it came. Raises StripeApiError and StoreUnavailableError; what was applied until then stays.
    """
    until_at = now - max(after_seconds, VISIBLE_AFTER_SECONDS)
    earliest_at = max(_tenant_created_at(store, tenant), now - KEPT_SECONDS)
    begin_at = store.write(partial(_mark, tenant)) or earliest_at
    begin_at = max(earliest_at, begin_at if since_at is None else min(begin_at, since_at))
    missed, oldest, width = 0, 0, _FIRST_SPAN_SECONDS
    while begin_at < until_at:
        end_at = min(begin_at + width, until_at)
        events = events_between(client, max(begin_at - OVERLAP_SECONDS, earliest_at), end_at, types)
        for first in range(0, len(events), _AT_ONCE):
            if stopped():
                return Caught(missed, oldest)
            group = events[first : first + _AT_ONCE]
            applied = store.write(partial(_applied, tenant, group, now))
            missed += len(applied)
            oldest = oldest or (applied[0].created_at if applied else 0)
        newest_at = events[-1].created_at if events else 0
        store.write(partial(_note, tenant, end_at, newest_at))
        begin_at = end_at
        if stopped():
            return Caught(missed, oldest)
        if len(events) < _FEW:
            width = min(width * 2, _LONGEST_SPAN_SECONDS)
        elif len(events) > _MANY:
            width = max(width // 2, _SHORTEST_SPAN_SECONDS)
    store.write(lambda tx: tx.change(tenant.id, (RaiseTo(catalog.CATCH_UP_SUCCESS, now),)))
    return Caught(missed, oldest)


def _mark(tenant: Tenant, tx: Transaction) -> int:
    return decoded(Checked, tx.load(tenant.id, _KIND, _KEY)).until_at


def _tenant_created_at(store: Store, tenant: Tenant) -> int:
    """Return when the store began to count the tenant: what was before is not missing, it is the past."""
    return store.samples(tenant.id).get(series(catalog.TENANT_CREATED, tenant.id).line, 0)


def _applied(tenant: Tenant, events: Sequence[ListedEvent], now: int, tx: Transaction) -> list[ListedEvent]:
    """Apply those that the store does not know; return them."""
    return [event for event in events if ingest.missed(event.body, tenant, now).work(tx) == "accepted"]


def mark(tenant_id: str, until_at: int, tx: Transaction) -> None:
    """Remember that all events of a tenant created until then are in the store."""
    if until_at > decoded(Checked, tx.load(tenant_id, _KIND, _KEY)).until_at:
        tx.save(tenant_id, _KIND, _KEY, encoded(Checked(until_at)), FOREVER)


def _note(tenant: Tenant, until_at: int, newest_at: int, tx: Transaction) -> None:
    mark(tenant.id, until_at, tx)
    if newest_at:
        tx.change(tenant.id, (RaiseTo(catalog.STRIPE_NEWEST_EVENT, newest_at),))
