"""The process that asks Stripe for what no webhook brought; it listens to nobody, and nobody waits for it."""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING

from bw_exporter.serving.worker import Worker, unavailable

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

    from bw_exporter.store import Store


class CatchUpWorker(Worker):
    """A worker without a listener: the supervisor starts it anew when it ends, and hands it the configuration."""

    role = "catch_up"

    def build(self, store: Store) -> WSGIApplication:
        """Begin to ask; return an application that nobody reaches."""
        # The SDK takes 40 MiB and a third of a second, which no other process has to pay.
        from bw_exporter.catch_up import accounts  # noqa: PLC0415
        from bw_exporter.stripe_api.client import StripeClient  # noqa: PLC0415
        from bw_exporter.stripe_api.pace import (  # noqa: PLC0415
            REQUESTS_A_SECOND_IN_ALL,
            REQUESTS_A_SECOND_OF_ACCOUNT,
            Pace,
        )

        in_all, base_url = Pace(REQUESTS_A_SECOND_IN_ALL), self.context.stripe_api_url or None

        def client(key: str) -> StripeClient:
            return StripeClient(key, (Pace(REQUESTS_A_SECOND_OF_ACCOUNT), in_all), base_url=base_url)

        turns = accounts.AccountTurns(store, client, time.time, webhook_url=self.context.webhook_url)
        holder = f"{socket.gethostname()}/{os.getpid()}/{time.time_ns()}"
        self.spawn_thread(
            "catch-up", lambda: accounts.run(turns, self.context.config, store, holder, self._stop)
        )
        return unavailable
