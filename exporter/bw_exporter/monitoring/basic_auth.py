"""Basic auth by bcrypt hashes; what was right once is remembered as an HMAC, since bcrypt is slow."""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
import threading
import time
from typing import TYPE_CHECKING

import bcrypt

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST_REMEMBERED = 100
_MOST_WAITING = 4
_WARN_EVERY_SECONDS = 60.0

_log = logging.getLogger(__name__)


class BusyError(Exception):
    """So many passwords are being checked that one more would keep a thread from those who know theirs."""


class BasicAuth:
    """Checks names and passwords; safe from every thread."""

    def __init__(self, users: Mapping[str, str]) -> None:
        """`users` are bcrypt hashes by name; there is at least one."""
        self._users = dict(users)
        self._decoy = next(iter(users.values()))
        self._key = secrets.token_bytes(32)
        self._right: set[bytes] = set()
        self._waiting = threading.BoundedSemaphore(_MOST_WAITING)
        self._one_at_a_time = threading.Lock()
        self._wrong = 0
        self._warned = float("-inf")

    def accepts(self, name: str, password: str) -> bool:
        """Whether the password is the user's; an unknown name takes as long as a wrong password.

        Raises BusyError while others guess; never for a password that was right before.
        """
        text = f"{len(name)}:{name}{password}{self._users.get(name)}"
        known = hmac.new(self._key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).digest()
        if known in self._right:
            return True
        if not self._waiting.acquire(blocking=False):
            raise BusyError
        try:
            # One at a time, so that guessing cannot take every core.
            with self._one_at_a_time:
                if not self._matches(name, password):
                    self._note_wrong()
                    return False
        finally:
            self._waiting.release()
        if len(self._right) >= _MOST_REMEMBERED:
            self._right.clear()
        self._right.add(known)
        return True

    def _matches(self, name: str, password: str) -> bool:
        # bcrypt looks at no more than 72 bytes.
        given = password.encode("utf-8", "surrogatepass")[:72]
        right = bcrypt.checkpw(given, self._users.get(name, self._decoy).encode())
        return right and name in self._users

    def _note_wrong(self) -> None:
        """Tell of wrong passwords, once a minute however many there are; never who or what was given."""
        self._wrong += 1
        now = time.monotonic()
        if now - self._warned >= _WARN_EVERY_SECONDS:
            _log.warning("wrong name or password on the private listener", extra={"times": self._wrong})
            self._wrong, self._warned = 0, now
