"""When a request may be made: Stripe's limits are shared with the shop's own calls, so ours are far below them.

Stripe allows 100 reads a second of a live account and 25 of an endpoint or a sandbox (docs.stripe.com/rate-limits).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

REQUESTS_A_SECOND_OF_ACCOUNT = 5.0
REQUESTS_A_SECOND_IN_ALL = 50.0


class Pace:
    """Spaces requests evenly; shared by all threads that make them."""

    def __init__(
        self,
        a_second: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """`clock` is in seconds and never goes back; `sleep` waits for as many."""
        self._interval_seconds = 1 / a_second
        self._clock, self._sleep = clock, sleep
        self._lock = threading.Lock()
        self._next = 0.0

    def wait(self) -> None:
        """Wait until the next request may be made."""
        with self._lock:
            now = self._clock()
            at = max(now, self._next)
            self._next = at + self._interval_seconds
        if at > now:
            self._sleep(at - now)
