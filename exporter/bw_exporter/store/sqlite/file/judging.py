"""Whether a SQLite file and its log may be used as a store: judged without a write."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import stat
from pathlib import Path

from bw_exporter.errors import StoreUnusableError
from bw_exporter.store.sqlite.connection import file_uri
from bw_exporter.store.sqlite.file import refusals
from bw_exporter.store.sqlite.file.checkpoint import belongs, id_in_file, is_in_wal_mode
from bw_exporter.store.sqlite.file.descriptor import first_bytes
from bw_exporter.store.sqlite.file.log import UNREADABLE, has_frames, log_holds, salts_of_log
from bw_exporter.store.sqlite.file.note import End, Note, end_in, is_later, note_in
from bw_exporter.store.sqlite.schema import LATEST

_log = logging.getLogger(__name__)

_SMALLEST_BYTES = 512
"""One page. https://www.sqlite.org/fileformat2.html#pages"""

_PAGE_SIZE, _PAGES = slice(16, 18), slice(28, 32)
"""https://www.sqlite.org/fileformat2.html#the_database_header"""

_KINDS = ((stat.S_ISDIR, "a folder"), (stat.S_ISLNK, "a link"), (stat.S_ISREG, ""))


def require_files(path: str) -> None:
    """Refuse a named pipe, a folder or another thing in the place of one of the store's files.

    Opening a pipe can wait for ever, and SQLite follows no link to a log. Raises StoreUnusableError.
    """
    for suffix in ("", ".lock", "-wal", "-shm"):
        try:
            found = os.stat(path + suffix, follow_symlinks=suffix in ("", ".lock"))
        except OSError:
            continue  # it is not there, or opening it says why not
        what = next((text for is_kind, text in _KINDS if is_kind(found.st_mode)), "a pipe or a device")
        if what:
            raise StoreUnusableError(refusals.NO_FILE.format(path=path + suffix, what=what))


def judge(path: str, raw: bytes) -> None:
    """Refuse a file or a log that must not be used; the caller holds the lock, which keeps `raw`.

    Raises StoreUnusableError for a newer store's file, another program's, one that cannot be written, one that is
    damaged, and a log of another file or moment; sqlite3.Error and OSError.
    """
    if not os.access(path, os.W_OK):
        raise StoreUnusableError(refusals.READ_ONLY.format(path=path))
    if 0 < os.stat(path).st_size < _SMALLEST_BYTES:  # which SQLite takes for an empty one
        raise sqlite3.DatabaseError("file is not a database")
    try:
        if has_frames(path):
            _judge_log(path, raw)
        else:
            _judge_file(path, note_in(raw))
        with contextlib.closing(readable(path)) as connection:
            judge_schema(path, connection)
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        raise _damaged(path, str(error)) from error


def readable(path: str) -> sqlite3.Connection:
    """Open a store only to read it: neither it nor a file beside it is made or changed by that.

    Without a log, SQLite would make one, and fail where it may not; of an empty file, it would delete the log.
    Raises sqlite3.Error.
    """
    through_log = has_frames(path) and Path(path).stat().st_size > 0
    options = "mode=ro" if through_log else "mode=ro&immutable=1"
    return sqlite3.connect(file_uri(path, options), uri=True, isolation_level=None, check_same_thread=False)


def judge_schema(path: str, connection: sqlite3.Connection) -> int:
    """Return the schema of a store; raises StoreUnusableError for another program's file and a newer schema."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == 0 and connection.execute("SELECT 1 FROM sqlite_master").fetchone():
        raise StoreUnusableError(f"{path} is another program's database: give the store a file of its own")
    if version > LATEST:
        raise StoreUnusableError(
            f"the store {path} has schema {version}, this version knows {LATEST}: upgrade billingwatch-exporter,"
            " or restore the backup made before the upgrade"
        )
    return version


def damage(path: str) -> str:
    """Return what is wrong with the pages of a file and its log, "" if nothing is.

    Raises sqlite3.Error for what is no database at all.
    """
    with contextlib.closing(readable(path)) as connection:
        try:
            (first,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            return str(error)
    return "" if first == "ok" else " ".join(str(first).split())


def is_damage(error: sqlite3.Error) -> bool:
    """Tell whether an error is of a database whose pages are not what they should be."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_CORRUPT


def _judge_log(path: str, raw: bytes) -> None:
    """Refuse a log that belongs to another file, or another moment of it: SQLite would write it into this one."""
    note, (end, written) = note_in(raw), end_in(raw)
    if note is None:  # left by a version that noted nothing
        note = Note((id_in_file(path),))
    if not os.stat(path).st_size:
        raise _damaged(path, "")
    if not belongs(path, note):
        raise StoreUnusableError(refusals.FOREIGN_LOG.format(path=path))
    if note.size < 0:
        if damage(path):
            raise StoreUnusableError(refusals.FOREIGN_LOG.format(path=path))
        return
    if note.closed:
        raise StoreUnusableError(refusals.LATE_LOG.format(path=path))
    if end is not None:
        _judge_end(path, end, written=written)
    if not note.tells_of(os.stat(path)) and (text := damage(path)):
        raise _damaged(path, text)


def _judge_end(path: str, end: End, *, written: bool) -> None:
    """Refuse a log that is of an older moment than the file; `written`: the file has some of this log already."""
    salts = salts_of_log(path)
    if salts == end.salts:
        if log_holds(path, end):
            return
        if written:
            raise StoreUnusableError(refusals.CUT_LOG.format(path=path))
        _log.warning(
            "the store's log was cut short: what was committed last is not counted",
            extra={"log": f"{path}-wal"},
        )
    elif salts != UNREADABLE and not is_later(salts, end.salts):
        raise StoreUnusableError(refusals.OLD_LOG.format(path=path))


def _judge_file(path: str, note: Note | None) -> None:
    """Look through a file that is not the one that was closed here last."""
    as_it_was_left = note is not None and note.tells_of(os.stat(path))
    if as_it_was_left and note is not None and note.closed:
        return
    if text := damage(path):
        raise _damaged(path, text)
    checkpoint_id = id_in_file(path) if is_in_wal_mode(path) else ""
    if checkpoint_id and (note is None or checkpoint_id in note.ids):
        _log.warning(
            "the store's log is gone: what was committed last is not counted", extra={"log": f"{path}-wal"}
        )
    elif note is not None:
        _log.warning(
            "the store's file is not the one that was closed here last; it is whole", extra={"file": path}
        )


def _cut_off(path: str) -> str:
    """Return how much of a file is there that is shorter than it says, "" if none is missing."""
    size, header = os.stat(path).st_size, first_bytes(path, _PAGES.stop)
    whole = (int.from_bytes(header[_PAGE_SIZE], "big") or 1) * int.from_bytes(header[_PAGES], "big")
    return (
        f"it is cut off: {size:,} of {whole:,} bytes" if size < whole else "it is empty" if not size else ""
    )


def _damaged(path: str, text: str) -> StoreUnusableError:
    return StoreUnusableError(refusals.DAMAGED.format(path=path, damage=_cut_off(path) or text))
