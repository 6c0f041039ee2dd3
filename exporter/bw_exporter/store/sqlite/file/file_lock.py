"""An exclusive lock between processes, freed by the kernel when its holder dies, and a note of its holders."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bw_exporter.errors import StoreUnavailableError
from bw_exporter.store.sqlite.file.note import NOTE_BYTES

_RETRY_SECONDS = 0.05


class FileLock:
    """A flock on a side file. Waiters sleep in the kernel: fairer, by measurement, than SQLite's busy handler.

    Where the side file is deleted while it is open, the next holder makes it anew with the same note, so that a
    process which starts later takes turns with those that run.
    """

    def __init__(self, path: str) -> None:
        """Open or create `path`; raises OSError."""
        self._path = path
        self.created = not Path(path).exists()
        self._fd = _opened(path)

    def acquire(self, *, wait: bool = True) -> bool:
        """Take the lock, one thread of a process at a time; False where another process has it and `wait` is off.

        Raises StoreUnavailableError where the file system has no locks to give, as on some network mounts, and
        where the folder is gone.
        """
        operation = fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB
        note = b""
        try:
            while True:
                fcntl.flock(self._fd, operation)
                if os.fstat(self._fd).st_nlink:
                    break
                note = self.note() or note
                other = _opened(self._path)
                os.close(self._fd)
                self._fd = other
            if note and not self.note():
                self.write_note(note)
        except BlockingIOError:
            return False
        except OSError as error:
            with contextlib.suppress(OSError):
                self.release()
            raise StoreUnavailableError(
                f"the lock {self._path} cannot be taken ({error.strerror}); is its folder there, on a local disk?"
            ) from error
        return True

    def acquire_within(self, seconds: float) -> bool:
        """Take the lock within a time; False where another process keeps it for longer."""
        until = time.monotonic() + seconds
        while not self.acquire(wait=False):
            if time.monotonic() >= until:
                return False
            time.sleep(_RETRY_SECONDS)
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

    def note(self) -> bytes:
        """Return what the last holder noted, b"" if none ever did. Raises OSError."""
        return os.pread(self._fd, NOTE_BYTES, 0)

    def write_note(self, note: bytes, *, at: int = 0, sync: bool = False) -> None:
        """Note something while holding the lock; with `sync` it outlives a power cut. Raises OSError."""
        os.pwrite(self._fd, note, at)
        if sync:
            os.fsync(self._fd)

    def remove(self) -> None:
        """Delete the side file, where nothing is left that it would belong to."""
        with contextlib.suppress(OSError):
            Path(self._path).unlink()

    def close(self) -> None:
        """Let go of the file; once is enough."""
        closed, self._fd = self._fd, -1
        if closed != -1:
            os.close(closed)


def _opened(path: str) -> int:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "something else than a file is in its place: move it away")
    return fd
