"""Recent refusals and late events: the store keeps counts without times, so this process watches them rise."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from bw_exporter.errors import StoreUnavailableError
from bw_exporter.metrics import catalog
from bw_exporter.monitoring.landing import counts
from bw_exporter.monitoring.landing.advice import REFUSED
from bw_exporter.monitoring.landing.lag import lag_window, late_events, max_lag
from bw_exporter.monitoring.landing.rises import Rises

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bw_exporter.config.tenants import Tenant, Tenants
    from bw_exporter.monitoring.landing.counts import Counts
    from bw_exporter.store import Store

LOOK_EVERY_SECONDS = 5.0
"""A look takes 10 ms with 10,000 tenants."""

LAG_EVERY_SECONDS = 60
"""How often the lag is looked at, of tenants that got events since: as often as rules are evaluated."""

REFUSED_WINDOW_SECONDS = 900
"""The window of BillingWebhookRefused."""

_REFUSED_BY_ALERT = tuple(result for result in REFUSED if result != "store_error")
_WATCHED = (*REFUSED, catalog.UNKNOWN_TENANT)

_log = logging.getLogger(__name__)


class Recent:
    """Times and numbers of refusals and of late events, as far back as `since_at`; safe from every thread."""

    def __init__(self) -> None:
        self.since_at = 0
        self._mutex = threading.Lock()
        self._known: dict[str, dict[str, int]] = {}
        self._risen_at: dict[tuple[str, str], int] = {}
        self._rises = Rises()
        self._looked_at: dict[str, int] = {}
        self._limits: dict[str, int] = {}
        self._lag_at = self._lag_since_at = 0

    def follow(
        self, store: Store, tenants: Callable[[], Tenants], clock: Callable[[], float], stop: threading.Event
    ) -> None:
        """Look every few seconds until `stop` is set."""
        while True:
            try:
                now = int(clock())
                self.look(store, now)
                if not 0 <= now - self._lag_at < LAG_EVERY_SECONDS:
                    self.look_at_lag(store, tenants(), now)
            except StoreUnavailableError as error:
                _log.debug("refusals are not read yet", extra={"reason": str(error)})
            except Exception:  # noqa: BLE001 - the next look must come
                _log.exception("refusals are not read yet")
            if stop.wait(LOOK_EVERY_SECONDS):
                return

    def look(self, store: Store, now: int) -> None:
        """Read the counts of requests of all tenants and note them."""
        self.note(counts.read(store, (catalog.WEBHOOK_REQUESTS,)), now)

    def note(self, read: Mapping[str, Counts], now: int) -> None:
        """Compare the counts of requests with those noted before; the first ones do not say when they came."""
        name = catalog.WEBHOOK_REQUESTS.name
        with self._mutex:
            for tenant, found in read.items():
                requests = {values[0]: count for (each, values), count in found.items() if each == name}
                known = self._known.get(tenant)
                if requests != known:
                    self._known[tenant] = requests
                    self._note_one(tenant, known or {}, requests, now)
            for tenant in self._known.keys() - read.keys():
                self._known[tenant] = {}
            self.since_at = self.since_at or now

    def _note_one(self, tenant: str, known: Mapping[str, int], requests: Mapping[str, int], now: int) -> None:
        if self.since_at:
            for result in _WATCHED:
                if requests.get(result, 0) > known.get(result, 0):
                    self._risen_at[tenant, result] = now
        refused = sum(requests.get(result, 0) for result in _REFUSED_BY_ALERT)
        self._rises.note((tenant, "refused"), refused, now, REFUSED_WINDOW_SECONDS, first=not self.since_at)

    def look_at_lag(self, store: Store, tenants: Tenants, now: int) -> None:
        """Read the lag of the tenants that got events since the last such look, at first of all."""
        first = not self._lag_since_at
        with self._mutex:
            accepted = {tenant: requests.get("accepted", 0) for tenant, requests in self._known.items()}
        changed = [tenant for tenant, count in accepted.items() if count != self._looked_at.get(tenant)]
        self._looked_at = accepted
        for tenant, found in counts.read(store, (catalog.WEBHOOK_LAG,), None if first else changed).items():
            if tenant in tenants.by_id:
                self.note_lag(tenants.by_id[tenant], found, now)
        self._lag_since_at = self._lag_since_at or now
        self._lag_at = now

    def note_lag(self, tenant: Tenant, found: Counts, now: int) -> None:
        """Note how many of a tenant's events came late; `found` holds its histogram."""
        limit, window = max_lag(tenant), lag_window(tenant)
        # With another limit other events are late, and when they came is not known.
        first = not self._lag_since_at or self._limits.get(tenant.id, limit) != limit
        self._limits[tenant.id] = limit
        self._rises.note((tenant.id, limit), late_events(found, limit), now, window, first=first)

    def at(self, tenant: str, result: str) -> int:
        """Return when the last one was seen, 0 where none was since `since_at`."""
        return self._risen_at.get((tenant, result), 0)

    def refused(self, tenant: str, now: int) -> int:
        """Return how many requests were refused within the window of BillingWebhookRefused; never too many."""
        return self._rises.within((tenant, "refused"), now, REFUSED_WINDOW_SECONDS)

    def late(self, tenant: Tenant, now: int) -> int:
        """Return how many events came late within the window of the tenant's webhook_lag; never too many."""
        return self._rises.within((tenant.id, max_lag(tenant)), now, lag_window(tenant))

    def knows_lag_since(self, at: int) -> bool:
        """Whether the lag has been looked at since a moment."""
        return 0 < self._lag_since_at <= at
