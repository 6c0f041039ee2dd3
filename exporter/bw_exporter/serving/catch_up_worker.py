"""The process that asks Stripe for what no webhook brought; it listens to nobody, and nobody waits for it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bw_exporter.serving.worker import Worker, unavailable

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

    from bw_exporter.store import Store


class CatchUpWorker(Worker):
    """A worker without a listener: the supervisor starts it anew when it ends, and hands it the configuration."""

    role = "catch_up"
    thread_ends_seconds = 20.0  # a request to Stripe may take as long as its time limits

    def build(self, store: Store) -> WSGIApplication:
        """Begin to ask; return an application that nobody reaches."""
        # The SDK takes 40 MiB and a third of a second, which no other process has to pay.
        from bw_exporter.catch_up import accounts, lease, running  # noqa: PLC0415
        from bw_exporter.stripe_api import clients  # noqa: PLC0415

        turns = accounts.AccountTurns(
            store,
            clients.of_accounts(self.context.stripe_api_url or None, wait=self._stop.wait),
            time.time,
            webhook_url=self.context.webhook_url,
            stopped=self._stop.is_set,
        )
        holder = lease.holder()
        self.spawn_thread(
            "catch-up", lambda: running.run(turns, self.context.config, store, holder, self._stop)
        )
        return unavailable
