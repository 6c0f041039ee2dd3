"""What stood at Stripe before the store knew a tenant, taken in once: it is in the gauges and counts nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice

from bw_exporter import ingest
from bw_exporter.catch_up.turn import Wanting
from bw_exporter.store.protocol import FOREVER, Store, Transaction
from bw_exporter.store.retention import ENDED_SUBSCRIPTION_SECONDS
from bw_exporter.stripe_api.errors import StripeApiError
from bw_exporter.stripe_api.lists import Client, Json
from bw_exporter.stripe_api.standing import standing, stood

ENDS = {
    "subscriptions": ("customer.subscription.updated", "customer.subscription.deleted"),
    "disputes": ("charge.dispute.closed",),
}
"""Each list, and the types of events without which its objects would stand for ever."""

_AT_ONCE = 50
_KIND = "standing"


def take_in(
    wanting: Sequence[Wanting],
    client: Client,
    store: Store,
    until_at: int,
    now: int,
    stopped: Callable[[], bool] = lambda: False,
) -> None:
    """Take in what was created until `until_at` as it is now, for tenants of one account that have not had it.

    All events made until then should be in the store. A list that the key may not read is left out, and taken in
    when it is tried again. Raises StripeApiError and StoreUnavailableError; what was taken in until then stays, and
    is not taken in twice.
    """
    _take_in(wanting, store, now, lambda name: standing(client, name, until_at), stopped)


def take_in_past(
    wanting: Sequence[Wanting],
    client: Client,
    store: Store,
    at: int,
    now: int,
    stopped: Callable[[], bool] = lambda: False,
) -> None:
    """Take in what stood at `at`, before any event after that time is counted; otherwise as `take_in`."""
    _take_in(wanting, store, at, lambda name: stood(client, name, at, now), stopped)


def _take_in(
    wanting: Sequence[Wanting],
    store: Store,
    at: int,
    listed: Callable[[str], Iterator[Json]],
    stopped: Callable[[], bool],
) -> None:
    for name, ends in ENDS.items():
        left = [each for each in wanting if each.types.issuperset(ends)]
        left = [each for each in left if not store.write(partial(_is_noted, each.tenant.id, name))]
        found = listed(name) if left else iter(())
        try:
            while group := list(islice(found, _AT_ONCE)):
                for each in left:
                    store.write(partial(_group, each, name, group, at))
                if stopped():
                    return
        except StripeApiError as error:
            if error.reason != "permission":
                raise
            continue
        for each in left:
            store.write(partial(_note, each.tenant.id, name))


def _group(wanting: Wanting, name: str, group: Sequence[Json], at: int, tx: Transaction) -> None:
    for found in group:
        ended_at = found.get("ended_at")
        if isinstance(ended_at, int) and ended_at < at - ENDED_SUBSCRIPTION_SECONDS:
            continue  # it would have left the gauges by then
        ingest.standing(name, found, wanting.tenant, at)(tx)


def _is_noted(tenant_id: str, name: str, tx: Transaction) -> bool:
    return tx.load(tenant_id, _KIND, name) is not None


def _note(tenant_id: str, name: str, tx: Transaction) -> None:
    tx.save(tenant_id, _KIND, name, b"{}", FOREVER)
