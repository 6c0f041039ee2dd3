"""Names and passwords that were right, as keyed hashes in memory that outlives the private process.

The memory is anonymous and made by the supervisor before it forks, as is the key; neither is ever written
anywhere. A private process that takes the place of another knows at once whom the other knew.
"""

from __future__ import annotations

import hashlib
import hmac
import mmap
import secrets
import threading

_DIGEST_BYTES = hashlib.sha256().digest_size
_MOST_KNOWN = 100


class KnownLogins:
    """Make it before the fork; one process at a time writes to it, from every thread."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._memory = mmap.mmap(-1, _DIGEST_BYTES * _MOST_KNOWN)
        self._mutex = threading.Lock()

    def digest(self, name: str, password: str, bcrypt_hash: str) -> bytes:
        """Return what is remembered of a login: 32 bytes, which say nothing without the key."""
        parts = (name, password, bcrypt_hash)
        text = "".join(f"{len(part)}:{part}" for part in parts).encode("utf-8", "surrogatepass")
        return hmac.new(self._key, text, hashlib.sha256).digest()

    def __contains__(self, digest: bytes) -> bool:
        """Whether the login was right before; a digest cannot be guessed byte by byte without the key."""
        return digest in self._all()

    def add(self, digest: bytes) -> None:
        """Remember a login; where there is no place left, all others are forgotten."""
        with self._mutex:
            known = self._all()
            if digest in known:
                return
            known = [digest] if len(known) == _MOST_KNOWN else [*known, digest]
            self._memory[:] = b"".join(known).ljust(len(self._memory), b"\0")

    def _all(self) -> list[bytes]:
        stored = self._memory[:]
        slots = (stored[at : at + _DIGEST_BYTES] for at in range(0, len(stored), _DIGEST_BYTES))
        return [slot for slot in slots if any(slot)]
