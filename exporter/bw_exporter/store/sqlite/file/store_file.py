"""The file that was opened, and its log: whether they still are what lies at their paths, and reading from them."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import sqlite3
import time
from dataclasses import replace
from typing import Any

from bw_exporter.errors import StoreUnavailableError
from bw_exporter.store.sqlite.connection import connect
from bw_exporter.store.sqlite.file import refusals
from bw_exporter.store.sqlite.file.checkpoint import belongs, checkpoint, close_connection, write_note
from bw_exporter.store.sqlite.file.file_lock import FileLock
from bw_exporter.store.sqlite.file.judging import damage
from bw_exporter.store.sqlite.file.log import Log
from bw_exporter.store.sqlite.file.note import END_AT, End, Note, end_bytes, end_in, note_in

_log = logging.getLogger(__name__)

_CLOSE_WITHIN_SECONDS = 5.0
_QUIET_SECONDS = 0.02
"""For how long a file that was written to must stay as it is before it is looked through."""

_LOOK_EACH_SECONDS = 0.05
_AGAIN_WITHIN_NS = 1_000_000_000


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
        self._shm_bytes = os.stat(self._shm_path).st_size
        self._log = Log(path)
        self._closed = False
        self._saved = False
        self._look_again_at = 0.0
        self._refused: tuple[int, ...] | None = None
        self._raw = raw = lock.note()
        self._note = note_in(raw) or Note()
        self._end, self._written = end_in(raw)
        self._write_note(replace(self._note, log=self._wal, closed=False))
        self._note_end(self._log.end())

    def check(self) -> None:
        """Refuse a file or a log that was replaced or deleted. Raises StoreUnavailableError with the way out."""
        self._file_in_place()
        if self._index_in_place() < self._shm_bytes:
            raise StoreUnavailableError(refusals.INDEX_CUT.format(path=self.path))

    def check_locked(self) -> None:
        """Check also that nobody but us has written to the file or the log; the caller holds the lock.

        Writing to a log with a hole loses nothing that `committed` would not refuse, so not before every commit.
        """
        try:
            self._take_note()
            self._content_in_place()
            self._mend_index()
            if time.monotonic() > self._look_again_at:
                self._log_in_place()
                self._look_again_at = time.monotonic() + _LOOK_EACH_SECONDS
        except StoreUnavailableError:
            self._save_log()
            raise

    def committed(self) -> None:
        """Check again, so that nothing is acknowledged that the next start would not find; note the log's end.

        The caller has held the lock since `check_locked`.
        """
        try:
            self._content_in_place()
            end = self._grown_log()
            if end != self._end:
                self._note_end(end)
        except StoreUnavailableError:
            self._look_again_at = 0.0
            self._save_log()
            raise

    def make_due_checkpoint(self) -> None:
        """Write the log back where it has become long; the caller holds the lock."""
        if self._end is not None and self._log.is_long(self._end):
            try:
                complete = checkpoint(self._kept, self.path, self._lock)
            except (sqlite3.Error, OSError) as error:
                complete = False
                _log.warning("the store's log grows: no checkpoint was made", extra={"reason": str(error)})
            if not complete:
                self._log.put_off()

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
                close_connection(self._kept, self.path, self._lock)
            else:
                self._abandon()
        except (sqlite3.Error, OSError) as error:
            _log.warning(
                "the store did not close; the next start looks through it", extra={"reason": str(error)}
            )
        finally:
            self._log.close()
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
        try:
            found = os.stat(self.path)
        except OSError as error:
            raise StoreUnavailableError(
                refusals.GONE.format(path=self.path, reason=error.strerror)
            ) from error
        if (found.st_dev, found.st_ino) != self._file:
            raise StoreUnavailableError(refusals.REPLACED.format(path=self.path))
        if not found.st_size:  # SQLite would delete the log of an empty file
            raise StoreUnavailableError(refusals.OVERWRITTEN.format(path=self.path))
        if _found(self._wal_path) != self._wal:
            raise StoreUnavailableError(
                (refusals.SAVED if self._saved else refusals.LOG_GONE).format(path=self.path)
            )
        return found

    def _index_in_place(self) -> int:
        """Return the size of the log's index, where it is the one that was opened and not shorter than before."""
        try:
            found = os.stat(self._shm_path)
        except OSError:
            raise StoreUnavailableError(refusals.INDEX_GONE.format(path=self.path)) from None
        if (found.st_dev, found.st_ino) != self._shm:
            raise StoreUnavailableError(refusals.INDEX_GONE.format(path=self.path))
        return found.st_size

    def _mend_index(self) -> None:
        """Lengthen an index that was cut short: SQLite has it in memory, and a process that looked there would end."""
        size = self._index_in_place()
        if size < self._shm_bytes:
            _log.warning(
                "the index of the store's log was cut short: it is made anew", extra={"file": self._shm_path}
            )
            self._log.mend_index(self._shm_bytes)
        else:
            self._shm_bytes = size

    def _content_in_place(self) -> None:
        """Refuse a file that somebody wrote over in place; it has changed, and by none of our checkpoints.

        A checkpoint that somebody else made, and a change of owner or mode, do no harm.
        """
        found = self._file_in_place()
        if found.st_ctime_ns == self._note.changed_ns and found.st_size == self._note.size:
            return
        state = _state(found)
        if state != self._refused and self._is_own(found):
            self._refused = None
            self._write_note(self._note.of(found))
            return
        # What is still being written may not have a later time than this look: it is looked at again.
        self._refused = state if time.time_ns() - found.st_ctime_ns > _AGAIN_WITHIN_NS else None
        raise StoreUnavailableError(refusals.OVERWRITTEN.format(path=self.path))

    def _is_own(self, found: os.stat_result) -> bool:
        """Tell whether a file that was changed still is the whole one that its log belongs to."""
        time.sleep(_QUIET_SECONDS)
        try:
            return (
                belongs(self.path, self._note)
                and (self._note.tells_of_content(found) or not damage(self.path))
                and _state(os.stat(self.path)) == _state(found)
            )
        except (OSError, sqlite3.OperationalError) as error:
            raise StoreUnavailableError(f"the store {self.path} cannot be read: {error}") from error
        except sqlite3.DatabaseError:
            return False  # it is no database any more

    def _log_in_place(self) -> None:
        """Refuse a log that somebody emptied or wrote over in place, or that is of an older moment."""
        end = self._log.end()
        if end is not None and end != self._end:
            self._grown_log()
        elif self._end is not None and not self._log.holds(self._end):
            raise StoreUnavailableError(refusals.LOG_OVERWRITTEN.format(path=self.path))

    def _grown_log(self) -> End:
        """Return where the log ends now, where all of it is there."""
        end = self._log.end_after(self._end)
        if end is None:
            raise StoreUnavailableError(refusals.LOG_OVERWRITTEN.format(path=self.path))
        return end

    def _save_log(self) -> None:
        """Write what a log without a place holds into the file, so that nothing is lost when the exporter ends.

        Not where a process that started later has begun another log.
        """
        taken_away = _found(self._wal_path) != self._wal and self._note.log == self._wal
        if self._saved or not taken_away or _found(self.path) != self._file:
            return
        try:
            found = os.stat(self.path)
            if not self._note.tells_of(found) and not self._is_own(found):
                return
            self._log_in_place()
            deleted = self._log.is_deleted()
            # Emptied, so that nobody who still has it open takes its old content for what is committed later.
            mode = "TRUNCATE" if deleted else "PASSIVE"
            _, frames, written = self._kept.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
            self._saved = deleted and frames == written
            self._write_note(replace(self._note, closed=self._saved).of(os.stat(self.path)))
            self._note_end(None if self._saved else self._end, written=True)
        except (StoreUnavailableError, sqlite3.Error, OSError) as error:
            _log.error("the store's log was taken away, and is not saved yet", extra={"reason": str(error)})

    def _take_note(self) -> None:
        """Learn what other processes have noted since."""
        raw, known = self._lock.note(), self._raw
        if raw == known:
            return
        self._raw = raw
        if raw[:END_AT] != known[:END_AT]:
            if (note := note_in(raw)) is None:  # somebody emptied it
                self._write_note(self._note)
                self._note_end(self._end, written=self._written)
                return
            self._note = note
        self._end, self._written = end_in(raw)

    def _write_note(self, note: Note) -> None:
        self._note = note
        self._raw = write_note(self._lock, note)

    def _note_end(self, end: End | None, *, written: bool = False) -> None:
        """Note where the log ends, and whether a checkpoint of this log has written to the file."""
        if end is not None and self._end is not None and end.salts == self._end.salts:
            written = written or self._written
        self._end, self._written = end, written
        kept = end_bytes(end, written=written)
        self._lock.write_note(kept, at=END_AT)
        self._raw = self._raw[:END_AT] + kept

    def _abandon(self) -> None:
        """Leave the kept connection open to the end of the process.

        Closed as the last one, SQLite would write the log into a file that it does not belong to, and remove what
        lies in the log's place.
        """
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._kept))


def _found(path: str) -> tuple[int, int] | None:
    try:
        return _identity(path)
    except OSError:
        return None


def _identity(path: str) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino


def _state(file: os.stat_result) -> tuple[int, int, int]:
    return file.st_size, file.st_mtime_ns, file.st_ctime_ns
