"""A worker's share of the connections: workers of one listener tell each other how many each of them holds.

The kernel wakes every worker that waits for a connection, and the first one takes it. In a burst that may be the
same worker each time, and with connections that are kept it then does all the work.
"""

from __future__ import annotations

import mmap

_TOLERANCE = 6
"""How many connections a worker may hold more than another and still take the next one."""

_STALE_SECONDS = 1.5
"""A worker's loop turns once a second at least; one whose loop does not is not left a connection."""


class ConnectionCounts:
    """How many connections each worker holds and when its loop turned last, in memory that a fork shares."""

    def __init__(self, workers: int) -> None:
        """Make it before the first fork, for so many workers."""
        self._values = memoryview(mmap.mmap(-1, 16 * workers)).cast("d")

    def note(self, place: int, count: int, now: float) -> None:
        """Tell the others; `now` is on the monotonic clock, and 0 takes the worker out."""
        self._values[2 * place] = now
        self._values[2 * place + 1] = count

    def fewest(self, besides: int, now: float) -> float:
        """Return the connections of whoever holds the fewest, besides one; infinity where nobody else is."""
        values = self._values
        return min(
            (
                values[start + 1]
                for start in range(0, len(values), 2)
                if start != 2 * besides and now - values[start] < _STALE_SECONDS
            ),
            default=float("inf"),
        )


class Share:
    """One worker's place among the others."""

    def __init__(self, counts: ConnectionCounts, place: int) -> None:
        self._counts = counts
        self.place = place

    def note(self, count: int, now: float) -> None:
        """Tell the others how many connections this worker holds."""
        self._counts.note(self.place, count, now)

    def leave(self) -> None:
        """Have nobody leave a connection to this worker any more."""
        self._counts.note(self.place, 0, 0.0)

    def is_full(self, count: int, now: float) -> bool:
        """Tell whether another worker holds fewer connections than this one, by more than the tolerance."""
        return count > self._counts.fewest(self.place, now) + _TOLERANCE
