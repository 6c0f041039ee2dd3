"""How a SQLite file becomes a store of ours: created, or judged and brought forward."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from bw_exporter.errors import StoreUnusableError
from bw_exporter.store.migration import pending
from bw_exporter.store.sqlite.connection import connect
from bw_exporter.store.sqlite.file import refusals
from bw_exporter.store.sqlite.file.checkpoint import checkpoint, id_in_file
from bw_exporter.store.sqlite.file.file_lock import FileLock
from bw_exporter.store.sqlite.file.judging import judge
from bw_exporter.store.sqlite.file.log import has_frames
from bw_exporter.store.sqlite.file.note import END_AT, Note, end_bytes, end_in, note_bytes, note_in
from bw_exporter.store.sqlite.schema import APPLIED, MIGRATIONS, NOTE_APPLIED


def prepare(path: str, lock: FileLock) -> tuple[sqlite3.Connection, bytes]:
    """Create the file or bring its schema forward; return a connection and the key under which payers are remembered.

    The caller holds the lock: switching to WAL answers "database is locked" at once on concurrent first opens,
    whatever the busy timeout. Nothing is written before the file and its log are found to be ours. Raises as
    judging.judge does.
    """
    with _created(path) as is_new:
        raw = lock.note()
        if not is_new:
            judge(path, raw)
        begins_log = not has_frames(path)
        note = note_in(raw) or Note((id_in_file(path),))
        end, written = (None, False) if begins_log else end_in(raw)
        kept = note_bytes(replace(note, closed=False))[:END_AT] + end_bytes(end, written=written)
        lock.write_note(kept)
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


@contextlib.contextmanager
def _created(path: str) -> Iterator[bool]:
    """Create the file where there is none, and remove it again where that fails."""
    is_new = not Path(path).exists()
    if is_new and has_frames(path):
        raise StoreUnusableError(refusals.LOST_FILE.format(path=path))
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
