"""The file that was opened, and its log: whether they still are what lies at their paths, and reading from them."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import sqlite3
from dataclasses import replace
from typing import Any

from bw_exporter.errors import StoreUnavailableError
from bw_exporter.store.sqlite.connection import connect
from bw_exporter.store.sqlite.file.checkpoint import (
    LogLength,
    Note,
    belongs,
    checkpoint,
    note_closed,
    noted,
    write_note,
)
from bw_exporter.store.sqlite.file.file_lock import FileLock
from bw_exporter.store.sqlite.file.log_end import LogEnd

_log = logging.getLogger(__name__)

_CLOSE_WITHIN_SECONDS = 5.0


class StoreFile:
    """A file that is open, with its log: what is counted must be found where it was counted.

    Another file in the place of either is refused. A connection is kept open from the beginning to the end: so
    SQLite never removes the log meanwhile, and no other file can get the number of one that was deleted.
    """

    def __init__(self, path: str, lock: FileLock, connection: sqlite3.Connection) -> None:
        """Take over the `connection` that opened the file; the caller holds the lock. Raises OSError, sqlite3.Error."""
        self.path = path
        self._lock = lock
        self._kept = connection
        connection.execute("SELECT 1 FROM meta WHERE name = 'payer_key'").fetchone()  # which opens the log
        self._file = _identity(path)
        self._wal_path, self._shm_path = f"{path}-wal", f"{path}-shm"
        self._wal = _identity(self._wal_path)
        self._shm = _identity(self._shm_path)
        self._length = LogLength(path)
        self._end = LogEnd(path)
        self._closed = False
        self._overwritten = False
        self._saved = False
        self._raw = b""
        self._note = noted(lock.note()) or Note(("",))
        self._write_note(replace(self._note, log=self._wal, closed=False))

    def check(self) -> None:
        """Refuse a file or a log that was replaced or deleted. Raises StoreUnavailableError with the way out."""
        self._file_in_place()
        self._index_in_place()

    def check_locked(self) -> None:
        """Check also that nobody but us has written to the file; the caller holds the lock."""
        raw = self._lock.note()
        if raw != self._raw:
            self._raw = raw
            if (note := noted(raw)) is None:  # somebody emptied it
                self._write_note(self._note)
            else:
                self._note = note
        self.committed()
        self._index_in_place()

    def committed(self) -> None:
        """Check again, so that nothing is acknowledged that the next start would not find.

        The caller has held the lock since `check_locked`.
        """
        try:
            file = self._file_in_place()
            if file.st_ctime_ns != self._note.changed_ns or file.st_size != self._note.size:
                self._check_content(file)
            self._check_log()
        except StoreUnavailableError:
            self._save_log()
            raise

    def make_due_checkpoint(self) -> None:
        """Write the log back where it has become long; the caller holds the lock."""
        if self._length.is_due():
            try:
                complete = checkpoint(self._kept, self.path, self._lock)
            except (sqlite3.Error, OSError) as error:
                complete = False
                _log.warning("the store's log grows: no checkpoint was made", extra={"reason": str(error)})
            if not complete:
                self._length.put_off()

    def read(self, query: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Read on a connection of its own: readers and the writer never wait for each other in WAL mode."""
        self.check()
        try:
            with contextlib.closing(connect(self.path)) as connection:
                connection.execute("PRAGMA query_only = 1")
                return connection.execute(query, parameters).fetchall()
        except sqlite3.Error as error:
            raise StoreUnavailableError(f"the store {self.path} cannot be read: {error}") from error

    def size_bytes(self) -> int:
        """Return the size of the database and its write-ahead log."""
        sizes = 0
        for suffix in ("", "-wal"):
            with contextlib.suppress(OSError):
                sizes += os.stat(self.path + suffix).st_size
        return sizes

    def close(self) -> None:
        """Let go of the file; the last process writes the log back into it, where both are what was opened."""
        if self._closed:
            return
        self._closed = True
        try:
            has_lock = self._lock.acquire_within(_CLOSE_WITHIN_SECONDS)
        except StoreUnavailableError:
            has_lock = False
        try:
            if has_lock and self._is_ours():
                self._kept.close()
                note_closed(self.path, self._lock)
            else:
                self._abandon()
        except (sqlite3.Error, OSError) as error:
            _log.warning(
                "the store did not close; the next start looks through it", extra={"reason": str(error)}
            )
        finally:
            self._length.close()
            self._end.close()
            if has_lock:
                self._lock.release()

    def _is_ours(self) -> bool:
        try:
            self.check_locked()
        except StoreUnavailableError as error:
            _log.warning("the store's log is left as it is", extra={"reason": str(error)})
            return False
        return True

    def _file_in_place(self) -> os.stat_result:
        """Return what is known of the file, where it and the log are those that were opened."""
        if self._overwritten:
            raise StoreUnavailableError(_OVERWRITTEN.format(path=self.path))
        try:
            found = os.stat(self.path)
        except OSError as error:
            raise StoreUnavailableError(_GONE.format(path=self.path, reason=error.strerror)) from error
        if (found.st_dev, found.st_ino) != self._file:
            raise StoreUnavailableError(_REPLACED.format(path=self.path))
        if _found(self._wal_path) != self._wal:
            raise StoreUnavailableError((_SAVED if self._saved else _LOG_GONE).format(path=self.path))
        return found

    def _index_in_place(self) -> None:
        if _found(self._shm_path) != self._shm:
            raise StoreUnavailableError(_INDEX_GONE.format(path=self.path))

    def _check_content(self, found: os.stat_result) -> None:
        """Refuse a file that somebody wrote over in place; it has changed, and by none of our checkpoints.

        A checkpoint that somebody else made, and a change of owner or mode, do no harm.
        """
        try:
            if belongs(self.path, self._note):
                self._write_note(self._note.of(found))
                return
        except (OSError, sqlite3.OperationalError) as error:
            raise StoreUnavailableError(f"the store {self.path} cannot be read: {error}") from error
        except sqlite3.DatabaseError:
            pass  # it is no database any more
        self._overwritten = True
        raise StoreUnavailableError(_OVERWRITTEN.format(path=self.path))

    def _check_log(self) -> None:
        """Refuse a log that somebody emptied or wrote over in place."""
        if not self._end.is_whole():
            raise StoreUnavailableError(_LOG_OVERWRITTEN.format(path=self.path))

    def _save_log(self) -> None:
        """Write what a log without a place holds into the file, so that nothing is lost when the exporter ends.

        Not where a process that started later has begun another log.
        """
        taken_away = _found(self._wal_path) != self._wal and self._note.log == self._wal
        if self._saved or self._overwritten or not taken_away or _found(self.path) != self._file:
            return
        try:
            if not self._note.tells_of(file := os.stat(self.path)):
                self._check_content(file)
            self._check_log()
            deleted = self._length.is_deleted()
            # Emptied, so that nobody who still has it open takes its old content for what is committed later.
            mode = "TRUNCATE" if deleted else "PASSIVE"
            _, frames, written = self._kept.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
            self._saved = deleted and frames == written
            self._write_note(replace(self._note, closed=self._saved).of(os.stat(self.path)))
        except (StoreUnavailableError, sqlite3.Error, OSError) as error:
            _log.error("the store's log was taken away, and is not saved yet", extra={"reason": str(error)})

    def _write_note(self, note: Note) -> None:
        self._note = note
        write_note(self._lock, note)

    def _abandon(self) -> None:
        """Leave the kept connection open to the end of the process.

        Closed as the last one, SQLite would write the log into a file that it does not belong to, and remove what
        lies in the log's place.
        """
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._kept))


_GONE = (
    "the store {path} is gone ({reason}): put it back, with {path}-wal and {path}-shm; or, to begin a new one, stop"
    " the exporter, move {path}-wal and {path}-shm away if they are still there, and start it"
)
_REPLACED = (
    "the store {path} was replaced by another file: put the old one back; or, to use the new one, stop the exporter and"
    " start it: it refuses a log that belongs to the old one, and says what to do"
)
_OVERWRITTEN = (
    "the store {path} was overwritten while it was open: stop the exporter, put a backup in its place, move {path}-wal"
    " and {path}-shm away, which belong to what it was before, and start it"
)
_LOG_GONE = "the log {path}-wal was taken away while the store was open: put it back, or restart the exporter"
_LOG_OVERWRITTEN = (
    "the log {path}-wal was emptied or written over while the store was open, and the newest commits with it: put a"
    " backup in the store's place, as docs/operations.md says; or, to go on without them, stop the exporter, move"
    " {path}-wal and {path}-shm away, and start it"
)
_SAVED = (
    "the log {path}-wal was deleted while the store was open; all that was committed has been written into {path}:"
    " restart the exporter"
)
_INDEX_GONE = (
    "{path}-shm, which belongs to the log, was taken away while the store was open: put it back, or restart the"
    " exporter; nothing that was answered 200 is lost"
)


def _found(path: str) -> tuple[int, int] | None:
    try:
        return _identity(path)
    except OSError:
        return None


def _identity(path: str) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino
