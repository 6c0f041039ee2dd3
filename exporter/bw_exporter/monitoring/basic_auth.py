"""Basic auth by bcrypt hashes; what was right once is remembered as an HMAC, since bcrypt is slow."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from typing import TYPE_CHECKING

import bcrypt

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST_REMEMBERED = 100


class BasicAuth:
    """Checks names and passwords; safe from every thread."""

    def __init__(self, users: Mapping[str, str]) -> None:
        """`users` are bcrypt hashes by name; there is at least one."""
        self._users = dict(users)
        self._decoy = next(iter(users.values()))
        self._key = secrets.token_bytes(32)
        self._right: set[bytes] = set()
        self._one_at_a_time = threading.Lock()

    def accepts(self, name: str, password: str) -> bool:
        """Whether the password is the user's; an unknown name takes as long as a wrong password."""
        text = f"{len(name)}:{name}{password}{self._users.get(name)}"
        known = hmac.new(self._key, text.encode(), hashlib.sha256).digest()
        if known in self._right:
            return True
        # bcrypt looks at no more than 72 bytes. One at a time, so that guessing cannot take every core.
        with self._one_at_a_time:
            matches = bcrypt.checkpw(password.encode()[:72], self._users.get(name, self._decoy).encode())
        if not matches or name not in self._users:
            return False
        if len(self._right) >= _MOST_REMEMBERED:
            self._right.clear()
        self._right.add(known)
        return True
