"""Whether the last commit that SQLite knows of still is in the log, which anybody may empty or write over in place.

SQLite goes on then: it appends where its index says the log ends, and later copies pages out of the hole before that.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import NamedTuple

_INDEX = struct.Struct("=8xI2xHI4xII8s")
"""The start of -shm: change counter, page size, frames, checksum of the last one, salts.

https://www.sqlite.org/walformat.html#the_wal_index_file_format
"""

_SALTS_AT, _WAL_HEADER_BYTES = 16, 32
_FRAME = struct.Struct(">8x8sII")
"""A frame's header: salts and checksum. https://www.sqlite.org/fileformat2.html#the_write_ahead_log"""

_READS = 5
"""Another program may commit between the reads of the index and of the log."""


class _End(NamedTuple):
    change: int
    page_size: int
    frames: int
    checksum: tuple[int, int]
    salts: bytes


class LogEnd:
    """The end of the log beside an open file; a connection to the file outlives it."""

    def __init__(self, path: str) -> None:
        """Open the log beside the file at `path`; raises OSError."""
        self._index = _descriptor_in_use(f"{path}-shm")
        self._log = os.open(f"{path}-wal", os.O_RDONLY | os.O_CLOEXEC)
        self._seen: _End | None = None

    def is_whole(self) -> bool:
        """Tell whether the log ends as its index says, and still holds what it ended with at the last look.

        Raises OSError.
        """
        for _ in range(_READS):
            end = self._end()
            if self._holds(end) and self._goes_on(end):
                self._seen = end
                return True
            if self._end() == end:
                return False
        return False

    def close(self) -> None:
        """Let go of the log. Nobody locks it, so closing it drops no lock of SQLite's."""
        os.close(self._log)

    def _end(self) -> _End | None:
        """Read the index; None where the log is empty, or the index is not made yet."""
        raw = os.pread(self._index, _INDEX.size, 0)
        if len(raw) < _INDEX.size:
            return None
        change, page_size, frames, first, second, salts = _INDEX.unpack(raw)
        if not frames:
            return None
        # Two bytes cannot say 65,536.
        return _End(change, 65536 if page_size == 1 else page_size, frames, (first, second), salts)

    def _goes_on(self, end: _End | None) -> bool:
        seen = self._seen
        if seen is None or end is None or end.salts != seen.salts:
            return True  # it was begun anew
        return end.frames >= seen.frames and self._holds(seen)

    def _holds(self, end: _End | None) -> bool:
        if end is None:
            return True
        at = _WAL_HEADER_BYTES + (end.frames - 1) * (_FRAME.size + end.page_size)
        frame = os.pread(self._log, _FRAME.size, at)
        return (
            os.pread(self._log, len(end.salts), _SALTS_AT) == end.salts
            and len(frame) == _FRAME.size
            and _FRAME.unpack(frame) == (end.salts, *end.checksum)
        )


def _descriptor_in_use(path: str) -> int:
    """Return SQLite's own descriptor of a file: closing one of ours would drop SQLite's locks on it.

    https://www.sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_
    """
    file = os.stat(path)
    for number in sorted(int(entry.name) for entry in Path("/dev/fd").iterdir()):
        try:
            if os.path.samestat(os.fstat(number), file):
                return number
        except OSError:  # the descriptor of the listing itself is closed by now
            continue
    raise FileNotFoundError(f"{path} is not open")
