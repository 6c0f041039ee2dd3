"""Refused requests, gathered in memory and written about once a second: a flood must not become writes."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Literal

from bw_exporter.metrics import catalog
from bw_exporter.metrics.series import Add
from bw_exporter.store.protocol import Store, Transaction

Refusal = Literal[
    "bad_signature", "expired_signature", "too_large", "rate_limited", "store_error", "unknown_tenant"
]


class Refusals:
    """The refusals of one process that the store does not know yet."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._counts: Counter[tuple[str, str]] = Counter()

    def count(self, tenant: str, result: Refusal) -> None:
        """Count a refused request; `tenant` is empty for unknown ones, so a scanner adds no series."""
        with self._mutex:
            self._counts[tenant, result] += 1

    def flush(self, store: Store) -> None:
        """Write what was gathered; if the store cannot, keep it for the next time and raise."""
        with self._mutex:
            counts, self._counts = self._counts, Counter()
        if not counts:
            return

        def work(tx: Transaction) -> None:
            for (tenant, result), number in counts.items():
                tx.change(tenant, (Add(catalog.WEBHOOK_REQUESTS, (result,), number),))

        try:
            # Without a limit: a batch given up on might be committed yet, and then be counted again.
            store.write(work, no_timeout=True)
        except BaseException:
            with self._mutex:
                self._counts.update(counts)
            raise
