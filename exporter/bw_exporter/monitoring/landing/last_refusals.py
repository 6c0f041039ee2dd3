"""When requests were last refused: the store keeps counts alone, so their rises are watched for while we run."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from bw_exporter.errors import StoreUnavailableError
from bw_exporter.metrics import catalog
from bw_exporter.monitoring.landing import counts
from bw_exporter.monitoring.landing.advice import REFUSED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bw_exporter.monitoring.landing.counts import Counts
    from bw_exporter.store import Store

LOOK_EVERY_SECONDS = 5.0
"""A look takes 10 ms with 10,000 tenants."""

_WATCHED = (*REFUSED, catalog.UNKNOWN_TENANT)

_log = logging.getLogger(__name__)


class LastRefusals:
    """Times of the last refusals by tenant and result, as far back as `since_at`; safe from every thread."""

    def __init__(self) -> None:
        self.since_at = 0
        self._mutex = threading.Lock()
        self._known: dict[tuple[str, str], int] = {}
        self._risen_at: dict[tuple[str, str], int] = {}

    def follow(self, store: Store, clock: Callable[[], float], stop: threading.Event) -> None:
        """Look every few seconds until `stop` is set."""
        while True:
            try:
                self.look(store, int(clock()))
            except StoreUnavailableError as error:
                _log.debug("refusals are not read yet", extra={"reason": str(error)})
            except Exception:  # noqa: BLE001 - the next look must come
                _log.exception("refusals are not read yet")
            if stop.wait(LOOK_EVERY_SECONDS):
                return

    def look(self, store: Store, now: int) -> None:
        """Read the counts of all tenants and note them."""
        self.note(counts.read(store, (catalog.WEBHOOK_REQUESTS,)), now)

    def note(self, read: Mapping[str, Counts], now: int) -> None:
        """Compare the counts of all tenants with those noted before; the first ones tell nothing of when."""
        with self._mutex:
            for tenant, found in read.items():
                for result in _WATCHED:
                    count, key = counts.of(found, catalog.WEBHOOK_REQUESTS, result), (tenant, result)
                    known = self._known.get(key, 0)
                    if count > known and self.since_at:
                        self._risen_at[key] = now
                    if count != known:
                        self._known[key] = count
            self.since_at = self.since_at or now

    def at(self, tenant: str, result: str) -> int:
        """Return when the last one was seen, 0 where none was since `since_at`."""
        return self._risen_at.get((tenant, result), 0)
