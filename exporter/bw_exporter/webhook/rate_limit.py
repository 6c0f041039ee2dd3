"""How many validly signed events a tenant may send: one allowance shared by all workers of a supervisor.

GCRA, the generic cell rate algorithm (ITU-T I.371), keeps one number per tenant, the time at which its
allowance will be whole again. The numbers stand in anonymous shared memory made before the workers are
forked, in a hash table keyed by the tenant's id, so that a reload of the configuration moves nothing.
"""

from __future__ import annotations

import fcntl
import hashlib
import mmap
import os
import struct
import tempfile
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bw_exporter.config.tenants import Tenant

_SLOT = struct.Struct("=Qd")
_COUNT = struct.Struct("=Q")
_ROUNDING = 1e-3  # of an interval: sums of floats may miss by less than that

_CLOCK_STEP_SECONDS = 5.0
"""More than the threads that ask at once differ in what time it is."""


class RateLimiter:
    """Make it before the fork; `allow` is safe from every thread of every process that inherited it.

    The lock is a POSIX record lock on the memory's own file: the kernel frees it if its holder is killed.
    It does not distinguish the threads of a process, so a mutex comes first.
    """

    def __init__(self, slots: int = 1 << 17) -> None:
        """`slots` bounds the tenants known at once; when half of them are used, the table starts over."""
        self._slots = slots
        self._file = _anonymous_file()
        os.ftruncate(self._file, _SLOT.size * (slots + 1))
        self._memory = mmap.mmap(self._file, _SLOT.size * (slots + 1))
        self._mutex = threading.Lock()
        self._keys: dict[str, int] = {}

    def allow(self, tenant: Tenant, now: float) -> float:
        """Take one event out of the tenant's allowance: 0.0 if it had one, else the seconds until it has."""
        rate = tenant.rate_limit.rate
        if rate == 0:
            return 0.0
        interval = 1.0 / rate
        most = max(tenant.rate_limit.burst, 1) * interval
        key = self._key(tenant.id)
        with self._mutex:
            fcntl.lockf(self._file, fcntl.LOCK_EX)
            try:
                offset = self._find(key)
                stored: float = _SLOT.unpack_from(self._memory, offset)[1]
                if stored > now + most + _CLOCK_STEP_SECONDS:
                    stored = now  # the clock was set back, or the limit made smaller: that shuts nobody out
                whole_at = min(max(stored, now), now + most)
                wait = whole_at + interval - now - most
                allowed = wait <= interval * _ROUNDING
                _SLOT.pack_into(self._memory, offset, key, whole_at + interval if allowed else whole_at)
                return 0.0 if allowed else wait
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN)

    def _key(self, tenant_id: str) -> int:
        """Return the id's hash, the same in every process; never 0, which marks an empty slot."""
        key = self._keys.get(tenant_id)
        if key is None:
            digest = hashlib.blake2b(tenant_id.encode(), digest_size=8).digest()
            key = self._keys[tenant_id] = int.from_bytes(digest, "big") or 1
        return key

    def _find(self, key: int) -> int:
        """Return the offset of the key's slot, taking an empty one for a new key. Under the lock."""
        index = key % self._slots
        while True:
            offset = _SLOT.size * (index + 1)
            found = _SLOT.unpack_from(self._memory, offset)[0]
            if found == key:
                return offset
            if found == 0:
                break
            index = (index + 1) % self._slots
        used = _COUNT.unpack_from(self._memory, 0)[0] + 1
        if used > self._slots // 2:
            self._memory[:] = bytes(len(self._memory))
            used, offset = 1, _SLOT.size * (key % self._slots + 1)
        _COUNT.pack_into(self._memory, 0, used)
        _SLOT.pack_into(self._memory, offset, key, 0.0)
        return offset


def _anonymous_file() -> int:
    """Return a file without a name, in memory where the system has it, so that a read-only root does."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("billingwatch-rate-limit")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
