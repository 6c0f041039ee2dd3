"""Whose password is checked next: bcrypt is slow on purpose, so that checks take turns.

Prometheus sends the same password each time, and who guesses sends another each time. So the turn goes to the
password that was first sent longest ago and has not been checked since. However many guesses come, a password
that is sent again has all later ones behind it.
"""

from __future__ import annotations

import threading
from bisect import insort
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_REMEMBERED = 50_000
"""Passwords that were sent and refused unchecked; a minute of them, as fast as they can be refused."""


class BusyError(Exception):
    """All places to wait in are taken by passwords that were first sent earlier."""


class CheckQueue:
    """One check at a time, so that guessing cannot take every core; safe from every thread."""

    def __init__(self, most_waiting: int) -> None:
        """`most_waiting` threads at most are kept, the one whose turn it is among them."""
        self._most_waiting = most_waiting
        self._changed = threading.Condition()
        self._waiting: list[tuple[int, int]] = []
        self._checking: tuple[int, int] | None = None
        self._places = count()
        self._tickets = count()
        self._first_sent: dict[bytes, int] = {}

    @contextmanager
    def turn(self, digest: bytes) -> Iterator[None]:
        """Wait for the turn of what `digest` stands for, and hold it; raises BusyError where that cannot be."""
        with self._changed:
            mine = (self._place(digest), next(self._tickets))
            insort(self._waiting, mine)
            if len(self._waiting) > self._most_waiting:
                # The last one gives way, which may be the one that has just come.
                self._waiting.pop()
                self._changed.notify_all()
            self._changed.wait_for(lambda: mine not in self._waiting or self._is_next(mine))
            if mine not in self._waiting:
                raise BusyError
            self._waiting.remove(mine)
            self._checking = mine
        try:
            yield
        finally:
            with self._changed:
                self._checking = None
                self._first_sent.pop(digest, None)
                self._changed.notify_all()

    def _is_next(self, mine: tuple[int, int]) -> bool:
        return self._checking is None and self._waiting[0] == mine

    def _place(self, digest: bytes) -> int:
        place = self._first_sent.get(digest)
        if place is None:
            if len(self._first_sent) >= MOST_REMEMBERED:
                del self._first_sent[next(iter(self._first_sent))]
            place = self._first_sent[digest] = next(self._places)
        return place
