"""Catch-up: what Stripe made and no webhook brought is applied as a webhook's body would be, exactly once.

Each account is asked for its events since a mark. An event that is older than `after` and unknown to the store counts
as missed: it goes through ingest's own transaction, which remembers its id, so that a webhook which still comes is
redelivered. The mark moves only once all before it is durable; what fails or ends in between is asked again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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
class Wanting:
    """A tenant to ask for, and the types of events that its webhooks should have brought."""

    tenant: Tenant
    types: frozenset[str]


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
    wanting: Sequence[Wanting],
    client: Client,
    store: Store,
    now: int,
    *,
    since_at: int | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[tuple[str, Caught]]:
    """Apply what no webhook has brought to the tenants of an account; give each tenant's id as it is done.

    Each is asked for from its mark to its `after` before now, with `since_at` from then on, if that is earlier. What
    several want is asked for once. Where `stopped` becomes true it ends early, and the marks tell how far it came.
    Raises StripeApiError and StoreUnavailableError; what was applied until then stays.
    """
    behind = [_begun(each, store, now, since_at) for each in wanting]
    width = _FIRST_SPAN_SECONDS
    while True:
        for way in [each for each in behind if each.begin_at >= each.until_at]:
            behind.remove(way)
            store.write(partial(_succeeded, way.tenant, now))
            yield way.tenant.id, way.caught
        if not behind:
            return
        near, end_at = _near(behind, width)
        since_at = min(way.since_at for way in near)
        events = events_between(client, since_at, end_at, frozenset().union(*(way.types for way in near)))
        for way in near:
            if not _advance(way, events, min(end_at, way.until_at), store, now, stopped):
                yield from ((each.tenant.id, each.caught) for each in behind)
                return
        if len(events) < _FEW:
            width = min(width * 2, _LONGEST_SPAN_SECONDS)
        elif len(events) > _MANY:
            width = max(width // 2, _SHORTEST_SPAN_SECONDS)


@dataclass(slots=True)
class _Way:
    """How far a tenant has come: all until `begin_at` is known, and `until_at` is where its turn ends."""

    tenant: Tenant
    types: frozenset[str]
    earliest_at: int
    begin_at: int
    until_at: int
    caught: Caught = Caught()

    @property
    def since_at(self) -> int:
        """From when on it is asked for next: with an overlap, and never for what was before the store knew it."""
        return max(self.begin_at - OVERLAP_SECONDS, self.earliest_at)


def _begun(wanting: Wanting, store: Store, now: int, since_at: int | None) -> _Way:
    tenant = wanting.tenant
    until_at = now - max(tenant.catch_up.after_seconds, VISIBLE_AFTER_SECONDS)
    earliest_at = max(_tenant_created_at(store, tenant), now - KEPT_SECONDS)
    begin_at = store.write(partial(_mark, tenant)) or earliest_at
    begin_at = max(earliest_at, begin_at if since_at is None else min(begin_at, since_at))
    return _Way(tenant, wanting.types, earliest_at, begin_at, until_at)


def _near(behind: Sequence[_Way], width: int) -> tuple[list[_Way], int]:
    """Return who is asked for next, and until when: the one that is most behind, and all whose time touches its."""
    first, *others = sorted(behind, key=lambda way: way.begin_at)
    near, end_at = [first], min(first.begin_at + width, first.until_at)
    for way in others:
        if way.since_at <= end_at:
            near.append(way)
            end_at = max(end_at, min(first.begin_at + width, way.until_at))
    return near, end_at


def _advance(
    way: _Way, events: Sequence[ListedEvent], end_at: int, store: Store, now: int, stopped: Callable[[], bool]
) -> bool:
    """Apply those events that are the tenant's and move its mark to `end_at`; False where it was stopped."""
    own = [each for each in events if each.type in way.types and way.since_at <= each.created_at <= end_at]
    for first in range(0, len(own), _AT_ONCE):
        if stopped():
            return False
        applied = store.write(partial(_applied, way.tenant, own[first : first + _AT_ONCE], now))
        if applied:
            oldest_at = way.caught.oldest_missed_at or applied[0].created_at
            way.caught = Caught(way.caught.missed + len(applied), oldest_at)
    store.write(partial(_note, way.tenant, end_at, own[-1].created_at if own else 0))
    way.begin_at = max(way.begin_at, end_at)
    return not stopped()


def _succeeded(tenant: Tenant, now: int, tx: Transaction) -> None:
    tx.change(tenant.id, (RaiseTo(catalog.CATCH_UP_SUCCESS, now),))


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
