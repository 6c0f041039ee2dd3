"""What is remembered of the file and its log beside the lock, for every process and for the next start."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass, replace
from typing import NamedTuple

import orjson

NOTE_BYTES = 512
"""A note and an end fit into a sector, which is written whole or not at all."""

END_AT = 448
_END = struct.Struct(">B?8s4I38x")
_OLDER_STEPS = 1 << 20
"""So many logs would be 16 TB of commits."""
_IS_END = 1
"""The first byte of an end. Where there is none, or an older version wrote its note last, a space is there."""


@dataclass(frozen=True, slots=True)
class Note:
    """What is known of the file since the last checkpoint.

    `ids`: those that the file of the present log may hold. `size`, `changed_ns` and `written_ns`: the file's size and
    the times of its last change and of its content's after the last checkpoint; only checkpoints write to it.
    `log`: device and number of the log's file. `closed`: the last process that had the store open wrote the log back
    and removed it.
    """

    ids: tuple[str, ...] = ("",)
    size: int = -1
    changed_ns: int = -1
    log: tuple[int, int] = (0, 0)
    closed: bool = True
    written_ns: int = -1

    def of(self, file: os.stat_result) -> Note:
        """Return the note with the size and the times of the file as it is now."""
        return replace(self, size=file.st_size, changed_ns=file.st_ctime_ns, written_ns=file.st_mtime_ns)

    def tells_of(self, file: os.stat_result) -> bool:
        """Tell whether the file is as the last checkpoint left it."""
        return (self.size, self.changed_ns) == (file.st_size, file.st_ctime_ns)

    def tells_of_content(self, file: os.stat_result) -> bool:
        """Tell whether nobody wrote to the file since, whatever became of its owner or mode."""
        return (self.size, self.written_ns) == (file.st_size, file.st_mtime_ns)


class End(NamedTuple):
    """Where the log ends: its last frame, with the checksum over all before it.

    `salts` are those of the log's header: the first counts up when the log is begun anew by who wrote it.
    """

    salts: bytes
    page_size: int
    frames: int
    checksum: tuple[int, int]

    def is_later_log_than(self, other: End) -> bool:
        """Tell whether this log was begun after the other one, in the same file of the log."""
        return is_later(self.salts, other.salts)


def is_later(salts: bytes, than: bytes) -> bool:
    """Tell whether a log's salts are later ones, or of a log that has nothing to do with the other.

    The first salt counts up with each log, but where another program's checkpoint emptied the log, SQLite begins the
    next one with random salts. So only a log of few steps before is known to be older.
    https://www.sqlite.org/fileformat2.html#the_write_ahead_log
    """
    steps_back = (int.from_bytes(than[:4], "big") - int.from_bytes(salts[:4], "big")) & 0xFFFFFFFF
    return steps_back >= _OLDER_STEPS


def note_in(raw: bytes) -> Note | None:
    """Return the note in what the lock keeps; None where there is none, as of an older version, or none to read."""
    try:
        found = orjson.loads(raw[:END_AT].rstrip())
        return Note(
            tuple(found["ids"]),
            found["size"],
            found["changed_ns"],
            tuple(found["log"]),
            found["closed"],
            found.get("written_ns", -1),
        )
    except (ValueError, KeyError, TypeError):
        return None


def end_in(raw: bytes) -> tuple[End | None, bool]:
    """Return the noted end of the log, None if none, and whether a checkpoint of this log wrote to the file."""
    if len(raw) < END_AT + _END.size or raw[END_AT] != _IS_END:
        return None, False
    _, written, salts, page_size, frames, first, second = _END.unpack_from(raw, END_AT)
    return End(salts, page_size, frames, (first, second)), written


def note_bytes(note: Note) -> bytes:
    """Return a note as it is kept, without an end."""
    return orjson.dumps(note).ljust(NOTE_BYTES)


def end_bytes(end: End | None, *, written: bool) -> bytes:
    """Return an end as it is kept at END_AT."""
    if end is None:
        return b" " * _END.size
    return _END.pack(_IS_END, written, end.salts, end.page_size, end.frames, *end.checksum)
