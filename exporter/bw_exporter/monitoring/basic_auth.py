"""Basic auth by bcrypt hashes; who was right once is known at once from then on, since bcrypt is slow."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import bcrypt

from bw_exporter.monitoring.check_queue import CheckQueue

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bw_exporter.monitoring.known_logins import KnownLogins

MOST_WAITING = 24
"""Threads that may wait for a check; the worker has as many more, so that guessing takes none of the others."""

_WARN_EVERY_SECONDS = 60.0
_BCRYPT_BYTES = 72
"""bcrypt looks at no more of a password."""

_log = logging.getLogger(__name__)


class BasicAuth:
    """Checks names and passwords; safe from every thread."""

    def __init__(self, users: Mapping[str, str], known: KnownLogins) -> None:
        """`users` are bcrypt hashes by name; there is at least one."""
        self._users = dict(users)
        self._decoy = next(iter(users.values()))
        self._known = known
        self._queue = CheckQueue(MOST_WAITING)
        self._wrong = 0
        self._warned = float("-inf")

    def accepts(self, name: str, password: str) -> bool:
        """Whether the password is the user's; an unknown name takes as long as a wrong password.

        Raises BusyError where too many that were first sent earlier wait for their check; never for a login that
        was right before.
        """
        digest = self._known.digest(name, password, self._users.get(name, ""))
        if digest in self._known:
            return True
        with self._queue.turn(digest):
            # Another thread may have checked the same login in the meantime.
            if digest in self._known:
                return True
            if not self._matches(name, password):
                self._note_wrong()
                return False
        self._known.add(digest)
        return True

    def _matches(self, name: str, password: str) -> bool:
        checked = password.encode("utf-8", "surrogatepass")[:_BCRYPT_BYTES]
        right = bcrypt.checkpw(checked, self._users.get(name, self._decoy).encode())
        return right and name in self._users

    def _note_wrong(self) -> None:
        """Log wrong passwords, once a minute however many there are; never who or what was sent."""
        self._wrong += 1
        now = time.monotonic()
        if now - self._warned >= _WARN_EVERY_SECONDS:
            _log.warning("wrong name or password on the private listener", extra={"times": self._wrong})
            self._wrong, self._warned = 0, now
