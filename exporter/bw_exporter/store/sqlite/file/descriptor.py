"""Reading files that SQLite has open, without dropping its locks.

Closing any descriptor of a file drops all locks that this process has on it.
https://www.sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_
"""

from __future__ import annotations

import os
from pathlib import Path


def descriptor_of(path: str) -> int | None:
    """Return a descriptor by which this process has a file open, None if it has not. Raises OSError."""
    file = os.stat(path)
    for number in sorted(int(entry.name) for entry in Path("/dev/fd").iterdir()):
        try:
            if os.path.samestat(os.fstat(number), file):
                return number
        except OSError:  # the descriptor of the listing itself is closed by now
            continue
    return None


def first_bytes(path: str, length: int) -> bytes:
    """Return the beginning of a file that SQLite may have open. Raises OSError."""
    if (number := descriptor_of(path)) is not None:
        return os.pread(number, length, 0)
    with Path(path).open("rb") as opened:
        return opened.read(length)
