"""What an older version remembered and did not count: subscriptions, which come into MRR as `opening`.

A thread of the private process does it once for a store, a step at a time, so that ingest passes between. What an event
or another replica has counted meanwhile is left as it is.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from bw_exporter.effects import mrr, subscriptions
from bw_exporter.errors import StoreUnavailableError
from bw_exporter.store.declared import DeclaredWork, StatesOf
from bw_exporter.store.protocol import FOREVER
from bw_exporter.store.state_json import decoded, encoded

if TYPE_CHECKING:
    from bw_exporter.store import Store, Transaction

_AT_ONCE = 200
_RETRY_SECONDS = 5.0
_BEFORE_ALL = ("", "")
_DONE = ("", "adopted", mrr.KIND)
"""Tenant, kind and key of the note that all are adopted."""

_Remembered = Sequence[tuple[str, str, bytes]]

_log = logging.getLogger(__name__)


def run(store: Store, now: int, stop: threading.Event) -> None:
    """Adopt all until `stop` is set; a store that is away is tried again."""
    after: tuple[str, str] | None = None
    while not stop.is_set():
        try:
            if after is None and _is_done(store):
                return
            after = step(store, after or _BEFORE_ALL, now)
        except StoreUnavailableError:
            stop.wait(_RETRY_SECONDS)
            continue
        if after is None:
            return


def step(store: Store, after: tuple[str, str], now: int) -> tuple[str, str] | None:
    """Adopt the next subscriptions after this tenant and key; return the last one's, None where these were all."""
    found = store.remembered_after(subscriptions.KIND, after, _AT_ONCE)
    tenant, kind, key = _DONE
    reads = [StatesOf(owner, subscription) for owner, subscription, _ in found]
    store.write(DeclaredWork(partial(_adopt, found, now), lambda: reads))
    if len(found) == _AT_ONCE:
        return found[-1][:2]
    store.write(lambda tx: tx.save(tenant, kind, key, b"{}", FOREVER))
    return None


def _adopt(found: _Remembered, now: int, tx: Transaction) -> None:
    for tenant, key, raw in found:
        state, changes = mrr.adopted(raw, decoded(mrr.Recurring, tx.load(tenant, mrr.KIND, key)))
        if state is not None:
            kept = mrr.kept_seconds(state)
            tx.save(tenant, mrr.KIND, key, encoded(state), FOREVER if kept is None else now + kept)
            tx.change(tenant, changes)


def _is_done(store: Store) -> bool:
    tenant, kind, key = _DONE
    return (
        store.write(DeclaredWork(lambda tx: tx.load(tenant, kind, key), lambda: [StatesOf(tenant, key)]))
        is not None
    )
