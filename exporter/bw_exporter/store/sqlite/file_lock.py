"""An exclusive lock between processes, freed by the kernel when its holder dies."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from bw_exporter.errors import StoreUnavailableError


class FileLock:
    """A flock on a side file. Waiters sleep in the kernel: fairer, by measurement, than SQLite's busy handler."""

    def __init__(self, path: str) -> None:
        """Open or create `path`; raises OSError."""
        self._path = path
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def acquire(self, *, wait: bool = True) -> bool:
        """Take the lock, one thread of a process at a time; False where another process has it and `wait` is off.

        Raises StoreUnavailableError where the file system has no locks to give, as on some network mounts.
        """
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            raise StoreUnavailableError(
                f"the lock {self._path} cannot be taken ({error.strerror}); is it on a local disk?"
            ) from error
        return True

    def release(self) -> None:
        """Let the next one have it."""
        fcntl.flock(self._fd, fcntl.LOCK_UN)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock."""
        self.acquire()
        try:
            yield
        finally:
            self.release()

    def close(self) -> None:
        """Let go of the file; once is enough."""
        closed, self._fd = self._fd, -1
        if closed != -1:
            os.close(closed)
