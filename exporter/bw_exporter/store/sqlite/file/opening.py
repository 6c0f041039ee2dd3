"""How a SQLite file becomes a store of ours: judged without a write, created, and brought forward."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from bw_exporter.errors import StoreUnusableError
from bw_exporter.store.migration import pending
from bw_exporter.store.sqlite.connection import connect
from bw_exporter.store.sqlite.file.checkpoint import (
    Note,
    belongs,
    checkpoint,
    file_uri,
    has_frames,
    id_in_file,
    noted,
    write_note,
)
from bw_exporter.store.sqlite.file.file_lock import FileLock
from bw_exporter.store.sqlite.schema import APPLIED, LATEST, MIGRATIONS, NOTE_APPLIED

_log = logging.getLogger(__name__)

_SMALLEST_BYTES = 512
"""One page. https://www.sqlite.org/fileformat2.html#pages"""


def prepare(path: str, lock: FileLock) -> tuple[sqlite3.Connection, bytes]:
    """Create the file or bring its schema forward; return a connection and the key under which payers are remembered.

    The caller holds the lock: switching to WAL answers "database is locked" at once on concurrent first opens,
    whatever the busy timeout. Nothing is written before the file and its log are found to be ours. Raises
    StoreUnusableError for a newer store's file, another program's, one that cannot be written, one that is damaged,
    and a log of another file; sqlite3.Error and OSError.
    """
    with _created(path) as is_new:
        note = noted(lock.note())
        if not is_new:
            judge(path, note)
        begins_log = not has_frames(path)
        if note is None:
            note = Note((id_in_file(path),))
        write_note(lock, note)
        with contextlib.ExitStack() as undone:
            connection = connect(path)
            undone.callback(connection.close)
            connection.execute("PRAGMA journal_mode = WAL")
            _migrate(connection)
            if begins_log:
                checkpoint(connection, path, lock)
            (row,) = connection.execute("SELECT value FROM meta WHERE name = 'payer_key'").fetchall()
            undone.pop_all()
    return connection, bytes(row[0])


def judge(path: str, note: Note | None) -> None:
    """Refuse a file or a log that must not be used, without writing a byte; the caller holds the lock.

    Raises as `prepare` does.
    """
    if not os.access(path, os.W_OK):
        raise StoreUnusableError(f"the store {path} is read-only for this user: change its owner or its mode")
    if 0 < os.stat(path).st_size < _SMALLEST_BYTES:  # which SQLite takes for an empty one
        raise sqlite3.DatabaseError("file is not a database")
    if has_frames(path):
        _judge_log(path, note)
    else:
        _judge_file(path, note)
    with contextlib.closing(readable(path)) as connection:
        judge_schema(path, connection)


def readable(path: str) -> sqlite3.Connection:
    """Open a store only to read it: neither it nor a file beside it is made or changed by that.

    Without a log, SQLite would make one, and fail where it may not. Raises sqlite3.Error.
    """
    options = "mode=ro" if has_frames(path) else "mode=ro&immutable=1"
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


def _judge_log(path: str, note: Note | None) -> None:
    """Refuse a log that belongs to another file: SQLite would write it into this one."""
    if note is None:  # left by a version that noted nothing
        note = Note((id_in_file(path),))
    if not belongs(path, note) or (note.size < 0 and _damage(path)):
        raise StoreUnusableError(
            f"the log {path}-wal belongs to another file than {path}, and would destroy it: put back the file that"
            f" the log belongs to; or, to use {path} as it is, move {path}-wal and {path}-shm away. Then start again"
        )


def _judge_file(path: str, note: Note | None) -> None:
    """Look through a file that is not the one that was closed here last."""
    as_it_was_left = note is not None and note.tells_of(os.stat(path))
    if as_it_was_left and note is not None and note.closed:
        return
    if damage := _damage(path):
        raise StoreUnusableError(
            f"the store {path} is damaged ({damage}): restore a backup, as docs/operations.md says"
        )
    if as_it_was_left:
        _log.warning(
            "the store's log is gone: what was committed last is not counted", extra={"log": f"{path}-wal"}
        )
    elif note is not None:
        _log.warning(
            "the store's file is not the one that was closed here last; it is whole", extra={"file": path}
        )


def _damage(path: str) -> str:
    """Return what is wrong with the pages of a file and its log, "" if nothing is.

    Raises sqlite3.Error for what is no database at all.
    """
    with contextlib.closing(readable(path)) as connection:
        try:
            (first,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_NOTADB:
                raise
            return str(error)
    return "" if first == "ok" else " ".join(str(first).split())


@contextlib.contextmanager
def _created(path: str) -> Iterator[bool]:
    """Create the file where there is none, and remove it again where that fails."""
    is_new = not Path(path).exists()
    if is_new and has_frames(path):
        raise StoreUnusableError(
            f"the store {path} is gone, and its log {path}-wal is there: put the file back; or, to begin a new store,"
            f" move {path}-wal and {path}-shm away. Then start again"
        )
    if is_new:
        # For its owner alone: it holds Stripe ids and the payers' key. SQLite's side files follow it.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    try:
        yield is_new
    except BaseException:
        if is_new:
            for suffix in ("", "-wal", "-shm"):
                with contextlib.suppress(OSError):
                    Path(path + suffix).unlink()
        raise


def _migrate(connection: sqlite3.Connection) -> None:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    connection.execute(APPLIED)
    for migration in pending(MIGRATIONS, version):
        connection.execute("BEGIN IMMEDIATE")
        for statement in migration.statements:
            connection.execute(statement)
        connection.execute(NOTE_APPLIED, (migration.number, migration.name))
        connection.execute(f"PRAGMA user_version = {migration.number}")
        connection.execute("COMMIT")
