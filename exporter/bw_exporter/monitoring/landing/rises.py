"""How much counters rose lately, from looks at their values now and then."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Hashable

_MOST_CHANGES = 16
"""Of one counter: so memory stays small however busy it is."""


class Rises:
    """Remembers for each counter when it rose within a window of its own; safe from every thread."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._value: dict[Hashable, int] = {}
        self._changes: dict[Hashable, deque[tuple[int, int]]] = {}
        """By counter: when a change was seen, and the value before it, the oldest first."""

    def note(self, counter: Hashable, value: int, now: int, window: int, *, first: bool = False) -> None:
        """Note a counter's value. A `first` value may have any age; a counter that is new later rose from 0."""
        with self._mutex:
            before = self._value.get(counter, value if first else 0)
            if value or counter in self._value:
                self._value[counter] = value
            if value < before:
                # An older store was put back: what it counted then says nothing of now.
                self._changes.pop(counter, None)
            elif value > before:
                changes = self._changes.setdefault(counter, deque())
                while changes and changes[0][0] <= now - window:
                    changes.popleft()
                # What is added to an earlier change leaves the window with it, so that never too much is reported.
                if not changes or changes[-1][0] <= now - window // _MOST_CHANGES:
                    changes.append((now, before))

    def within(self, counter: Hashable, now: int, window: int) -> int:
        """Return by how much it rose in the last `window` seconds, or somewhat less; never more."""
        with self._mutex:
            changes = self._changes.get(counter, ())
            return next((self._value[counter] - before for at, before in changes if at > now - window), 0)
