"""At most so many in so long: how normal traffic stays below the thresholds of detectors."""

from __future__ import annotations

from collections import deque


class Budget:
    """Allows `limit` things in any `window_seconds`; the limit may be changed."""

    def __init__(self, limit: int, window_seconds: int) -> None:
        self.limit = limit
        self._window_seconds = window_seconds
        self._spent: deque[int] = deque()

    def spend(self, now: int) -> bool:
        """Return whether one more is allowed at `now`, and remember it if so."""
        while self._spent and self._spent[0] <= now - self._window_seconds:
            self._spent.popleft()
        if len(self._spent) >= self.limit:
            return False
        self._spent.append(now)
        return True
