"""Whether what SQLite knows to be committed still is in the log, which anybody may empty or write over in place.

SQLite goes on then: it appends where its index says the log ends, and later copies pages out of the hole before that.
"""

from __future__ import annotations

import os
import stat
import struct

from bw_exporter.store.sqlite.file.descriptor import descriptor_of
from bw_exporter.store.sqlite.file.note import End

_INDEX_COPY = struct.Struct("=12x?xHI4xII8s8x")
"""The start of -shm, which is there twice: whether it is made, page size, frames, checksum of the last one, salts.

https://www.sqlite.org/walformat.html#the_wal_index_file_format
"""

_HEADER_BYTES, _SALTS = 32, slice(16, 24)
_MAGIC = 0x377F0682
_FRAME = struct.Struct(">8x8sII")
"""A frame's header: salts and checksum. https://www.sqlite.org/fileformat2.html#the_write_ahead_log"""

_READS = 5
"""Another program may write to the index between its two copies, and commit between the index and the log."""

UNREADABLE = b"?"
"""Instead of salts."""

_FRAMES_OF_A_CHECKPOINT = 4000
_MORE_FRAMES = 1000


class Log:
    """The log beside an open file, and its index; a connection to the file outlives it."""

    def __init__(self, path: str) -> None:
        """Open the log beside the file at `path`; raises OSError."""
        index = descriptor_of(f"{path}-shm")
        if index is None:
            raise FileNotFoundError(f"{path}-shm is not open")
        self._index = index  # SQLite's own, see descriptor.py
        self._fd = os.open(f"{path}-wal", os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        self._salts = b""
        self._due_at = _FRAMES_OF_A_CHECKPOINT

    def end(self) -> End | None:
        """Return where the index says that the log ends; None where the index is not made. Raises OSError."""
        for _ in range(_READS):
            raw = os.pread(self._index, 2 * _INDEX_COPY.size, 0)
            if raw[: _INDEX_COPY.size] == raw[_INDEX_COPY.size :]:
                break
        if len(raw) < 2 * _INDEX_COPY.size:
            return None
        is_made, page_size, frames, first, second, salts = _INDEX_COPY.unpack_from(raw)
        # Two bytes cannot say 65,536.
        return (
            End(salts, 65536 if page_size == 1 else page_size, frames, (first, second)) if is_made else None
        )

    def holds(self, end: End) -> bool:
        """Tell whether the log's last frame is where it ended once, so that all before it is there. Raises OSError."""
        return not end.frames or _frame_holds(self._fd, end)

    def begins(self, end: End) -> bool:
        """Tell whether the log has the header without which no start would read it. Raises OSError."""
        return not end.frames or os.pread(self._fd, _HEADER_BYTES, 0)[_SALTS] == end.salts

    def end_after(self, noted: End | None) -> End | None:
        """Return the end where the log goes on from the `noted` one and is there up to its end, else None.

        Raises OSError.
        """
        for _ in range(_READS):
            end = self.end()
            if end is None:
                return None
            if end == noted:
                return end
            if self._goes_on(noted, end) and self.holds(end) and self.begins(end):
                return end
        return None

    def _goes_on(self, noted: End | None, end: End) -> bool:
        """Tell whether the log has more frames after the noted ones, or was begun anew with those in the file."""
        if noted is None:
            return True
        if end.salts == noted.salts:
            return end.frames > noted.frames and self.holds(noted)
        return end.is_later_log_than(noted)

    def is_deleted(self) -> bool:
        """Tell whether the log has no name any more in any folder."""
        return os.fstat(self._fd).st_nlink == 0

    def mend_index(self, size: int) -> None:
        """Give an index that was cut short its length again, with nothing in it: SQLite makes it anew from the log."""
        os.pwrite(self._index, bytes(2 * _INDEX_COPY.size), 0)
        os.ftruncate(self._index, size)

    def is_long(self, end: End) -> bool:
        """Tell whether the log has grown by so much that a checkpoint is due."""
        if end.salts != self._salts:
            self._salts, self._due_at = end.salts, _FRAMES_OF_A_CHECKPOINT
        return end.frames >= self._due_at

    def put_off(self) -> None:
        """Have the checkpoint due again when the log has grown by a quarter of its length."""
        self._due_at += _MORE_FRAMES

    def close(self) -> None:
        """Let go of the log. Nobody locks it, so closing it drops no lock of SQLite's."""
        os.close(self._fd)


def has_frames(path: str) -> bool:
    """Tell whether the log beside the file may hold commits: SQLite reads none without a good header."""
    return bool(salts_of_log(path))


def salts_of_log(path: str) -> bytes:
    """Return the salts of the log beside a file that nobody may have open; b"" where SQLite would read no log.

    UNREADABLE where it cannot be read, which is for SQLite to say.
    """
    try:
        fd = os.open(f"{path}-wal", os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return b""
    except OSError:
        return UNREADABLE
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or found.st_size <= _HEADER_BYTES:
            return b""
        header = os.pread(fd, _HEADER_BYTES, 0)
        return header[_SALTS] if _is_header(header) else b""
    except OSError:
        return UNREADABLE
    finally:
        os.close(fd)


def log_holds(path: str, end: End) -> bool:
    """Tell whether the log beside a file that nobody has open holds its last frame as it was. Raises OSError."""
    fd = os.open(f"{path}-wal", os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        return not end.frames or _frame_holds(fd, end)
    finally:
        os.close(fd)


def _frame_holds(fd: int, end: End) -> bool:
    at = _HEADER_BYTES + (end.frames - 1) * (_FRAME.size + end.page_size)
    frame = os.pread(fd, _FRAME.size, at)
    return len(frame) == _FRAME.size and _FRAME.unpack(frame) == (end.salts, *end.checksum)


def _is_header(header: bytes) -> bool:
    """Tell whether a log's header has the checksum that makes SQLite read on.

    https://www.sqlite.org/fileformat2.html#wal_checksum_algorithm
    """
    if len(header) < _HEADER_BYTES or int.from_bytes(header[:4], "big") & ~1 != _MAGIC:
        return False
    words = struct.unpack_from(">6I" if header[3] & 1 else "<6I", header)
    first = second = 0
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) & 0xFFFFFFFF
        second = (second + odd + first) & 0xFFFFFFFF
    return (first, second) == struct.unpack_from(">2I", header, 24)
