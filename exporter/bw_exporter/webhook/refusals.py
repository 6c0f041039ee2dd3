"""Refused requests, gathered in memory and written about once a second: a flood must not become writes or log lines."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Literal

from bw_exporter.metrics import catalog
from bw_exporter.metrics.series import Add
from bw_exporter.store.protocol import Store, Transaction

Refusal = Literal[
    "bad_signature", "expired_signature", "too_large", "rate_limited", "store_error", "unknown_tenant"
]

WARN_EVERY_SECONDS = 600.0
"""Between two lines of the log about one reason."""

_ADVICE: Mapping[Refusal, str] = {
    "bad_signature": "compare the tenant's secret with that of the endpoint at Stripe, or a stranger posts",
    "expired_signature": "set this host's clock (NTP), or somebody sends old requests again",
    "too_large": "no event of Stripe's is so large; look at who posts",
    "rate_limited": "raise the tenant's rate_limit if this is its usual traffic",
    "unknown_tenant": "compare the URL of the endpoint at Stripe with the one on the landing page",
}
"""What to do, by reason. `store_error` is logged where the store failed."""

_MOST_NAMED = 3

_log = logging.getLogger(__name__)


class Refusals:
    """The refusals of one process that the store does not know yet."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` returns seconds; by it a reason is logged at most once in WARN_EVERY_SECONDS."""
        self._mutex = threading.Lock()
        self._counts: Counter[tuple[str, Refusal]] = Counter()
        self._clock = clock
        self._unsaid: dict[Refusal, Counter[str]] = {}
        self._warned_at: dict[Refusal, float] = {}

    def count(self, tenant: str, result: Refusal) -> None:
        """Count a refused request; `tenant` is empty for unknown ones, so a scanner adds no series."""
        with self._mutex:
            self._counts[tenant, result] += 1

    def flush(self, store: Store) -> None:
        """Write what was gathered; if the store cannot, keep it for the next time and raise.

        Of each reason a line is logged at once, and then one in WARN_EVERY_SECONDS. Nothing in it comes from a request.
        """
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
        self._warn(counts)

    def _warn(self, counts: Mapping[tuple[str, Refusal], int]) -> None:
        now = self._clock()
        for (tenant, result), number in counts.items():
            self._unsaid.setdefault(result, Counter())[tenant] += number
        for result, advice in _ADVICE.items():
            by_tenant = self._unsaid.get(result)
            if not by_tenant or now - self._warned_at.get(result, -WARN_EVERY_SECONDS) < WARN_EVERY_SECONDS:
                continue
            self._warned_at[result] = now
            del self._unsaid[result]
            named = [tenant for tenant, _ in by_tenant.most_common(_MOST_NAMED) if tenant]
            more = len(by_tenant) - len(named) if named else 0
            tenants = ", ".join(named) + (f" and {more} more" if more else "")
            _log.warning(
                "requests to the webhooks were refused",
                extra={
                    "reason": result,
                    "requests": by_tenant.total(),
                    **({"tenant": tenants} if tenants else {}),
                    "advice": advice,
                },
            )
