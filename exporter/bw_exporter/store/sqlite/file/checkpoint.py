"""Checkpoints, each with an id, by which a write-ahead log is known to belong to a file.

SQLite applies whatever log lies beside a file, that of another file too, which destroys it. So each checkpoint
first commits a random id, as the last thing in its log, and notes it beside the lock. A log that is begun after a
complete checkpoint belongs to a file that holds this id, and to no other: neither an older copy of the file nor one
that went another way since. The id is read from the file alone, as if there were no log.

Only we make checkpoints: SQLite's own, at a commit, would come without an id.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
import stat
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

import orjson

from bw_exporter.store.sqlite.file.file_lock import FileLock

_HEADER_BYTES = 32
_FRAME_HEADER_BYTES = 24
"""https://www.sqlite.org/fileformat2.html#the_write_ahead_log"""

_WAL_FORMAT = b"\x02\x02"
"""Bytes 18 and 19 of a file in WAL mode. https://www.sqlite.org/fileformat2.html#file_format_version_numbers"""

_FRAMES = 4000
_MORE_FRAMES = 1000
_MOST_IDS = 12
"""Checkpoints tried while a reader keeps the log from being begun anew; later ones get no id of their own."""

_SET_ID = (
    "INSERT INTO meta VALUES ('checkpoint_id', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
)


@dataclass(frozen=True, slots=True)
class Note:
    """What is known of the file since the last checkpoint, kept beside the lock.

    `ids`: those that the file of the present log may hold. `size` and `changed_ns`: the file's size and time of its
    last change after the last checkpoint; only checkpoints write to it. `log`: device and number of the log's file.
    `closed`: the last process that had the store open wrote the log back and removed it.
    """

    ids: tuple[str, ...] = ()
    size: int = -1
    changed_ns: int = -1
    log: tuple[int, int] = (0, 0)
    closed: bool = True

    def of(self, file: os.stat_result) -> Note:
        """Return the note with the size and the change of the file as it is now."""
        return replace(self, size=file.st_size, changed_ns=file.st_ctime_ns)

    def tells_of(self, file: os.stat_result) -> bool:
        """Tell whether the file is as the last checkpoint left it."""
        return (self.size, self.changed_ns) == (file.st_size, file.st_ctime_ns)


def noted(raw: bytes) -> Note | None:
    """Return the note that was kept as `raw`; None where there is none, as of an older version, or none to read."""
    try:
        found = orjson.loads(raw)
        return Note(
            tuple(found["ids"]), found["size"], found["changed_ns"], tuple(found["log"]), found["closed"]
        )
    except (ValueError, KeyError, TypeError):
        return None


def write_note(lock: FileLock, note: Note, *, sync: bool = False) -> None:
    """Keep a note; the caller holds the lock. Raises OSError."""
    lock.write_note(orjson.dumps(note), sync=sync)


def note_closed(path: str, lock: FileLock) -> None:
    """Note how a connection that is closed now has left the file; the last one writes the log back and removes it."""
    note = noted(lock.note()) or Note(("",))
    write_note(lock, replace(note.of(os.stat(path)), closed=not Path(f"{path}-wal").exists()))


def checkpoint(connection: sqlite3.Connection, path: str, lock: FileLock) -> bool:
    """Write what is committed from the log into the file; the caller holds the lock.

    Returns whether that was all, so that the log is begun anew; a reader of an older state keeps it from that.
    Raises sqlite3.Error and OSError.
    """
    note = noted(lock.note()) or Note(("",))
    if len(note.ids) < _MOST_IDS:
        checkpoint_id = secrets.token_hex(8)
        note = replace(note, ids=(*note.ids, checkpoint_id))
        write_note(lock, note, sync=True)
        connection.execute(_SET_ID, (checkpoint_id.encode(),))
    busy, frames, written = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    complete = not busy and frames == written
    if complete:
        note = replace(note, ids=note.ids[-1:])
    write_note(lock, note.of(os.stat(path)))
    return complete


def belongs(path: str, note: Note) -> bool:
    """Tell whether the file is the one that the present log was begun for, or became so by its checkpoints.

    A copy made by VACUUM INTO holds the id of its original, with every page in another place; it is known by not
    being in WAL mode until it is opened. Raises sqlite3.Error for what is no database, and OSError.
    """
    return _first_bytes(path, 20)[18:] == _WAL_FORMAT and id_in_file(path) in note.ids


def id_in_file(path: str) -> str:
    """Return the checkpoint id that the file holds without its log, "" if none.

    `immutable` is what keeps SQLite from looking for a log and from making side files.
    https://www.sqlite.org/uri.html#uriimmutable Raises sqlite3.Error for what is no database.
    """
    with contextlib.closing(sqlite3.connect(file_uri(path, "mode=ro&immutable=1"), uri=True)) as connection:
        try:
            row = connection.execute("SELECT value FROM meta WHERE name = 'checkpoint_id'").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
                raise
            return ""  # there is no such table yet
    return bytes(row[0]).decode(errors="replace") if row else ""


def _first_bytes(path: str, length: int) -> bytes:
    """Read by a descriptor that SQLite has open, if it has: closing one of ours would drop SQLite's locks.

    https://www.sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_
    """
    file = os.stat(path)
    for number in sorted(int(entry.name) for entry in Path("/dev/fd").iterdir()):
        with contextlib.suppress(OSError):  # the descriptor of the listing itself is closed by now
            if os.path.samestat(os.fstat(number), file):
                return os.pread(number, length, 0)
    with Path(path).open("rb") as opened:
        return opened.read(length)


def file_uri(path: str, options: str) -> str:
    """Return the URI of a file: an absolute path is a file whatever its name."""
    return f"file:{quote(str(Path(path).absolute()))}?{options}"


def has_frames(path: str) -> bool:
    """Tell whether the log beside the file may hold commits; one that was emptied has no header either."""
    wal = f"{path}-wal"
    try:
        if not stat.S_ISREG((found := os.stat(wal)).st_mode) or found.st_size <= _HEADER_BYTES:
            return False
    except OSError:
        return False
    try:
        with Path(wal).open("rb") as log:
            return any(log.read(_HEADER_BYTES))
    except OSError:
        return True  # what cannot be read is for SQLite to say


class LogLength:
    """Tells from the log itself when a checkpoint is due, in two reads of some bytes.

    A log is begun anew at its start and keeps its size: a frame belongs to it where it has the salts of its header.
    """

    def __init__(self, path: str) -> None:
        """Open the log beside the file at `path`; raises OSError."""
        self._fd = os.open(f"{path}-wal", os.O_RDONLY | os.O_CLOEXEC)
        self._salts = b""
        self._frames = _FRAMES

    def is_deleted(self) -> bool:
        """Tell whether the log has no name any more in any folder."""
        return os.fstat(self._fd).st_nlink == 0

    def is_due(self) -> bool:
        """Tell whether the log has grown by so much that a checkpoint is due."""
        header = os.pread(self._fd, _HEADER_BYTES, 0)
        salts = header[16:24]
        if salts != self._salts:
            self._salts, self._frames = salts, _FRAMES
        page_size = int.from_bytes(header[8:12], "big")
        at = _HEADER_BYTES + (self._frames - 1) * (_FRAME_HEADER_BYTES + page_size)
        return len(header) == _HEADER_BYTES and os.pread(self._fd, 8, at + 8) == salts

    def put_off(self) -> None:
        """Have it due again when the log has grown by a quarter of its length."""
        self._frames += _MORE_FRAMES

    def close(self) -> None:
        """Let go of the log. Nobody locks it, so closing it drops no lock of SQLite's."""
        os.close(self._fd)
