"""Connections to the SQLite file: how they are opened, and how a file becomes a store of ours."""

from __future__ import annotations

import contextlib
import sqlite3
from urllib.parse import quote

from bw_exporter.errors import StoreUnusableError
from bw_exporter.store.schema import LATEST, MIGRATIONS

_BUSY_SECONDS = 5.0
_CHECKPOINT_PAGES = 4000
_MMAP_BYTES = 1 << 30


def connect(path: str, mode: str = "rw") -> sqlite3.Connection:
    """Open an existing store; it is never created here, so a deleted file cannot come back empty unseen."""
    connection = sqlite3.connect(
        f"file:{quote(path)}?mode={mode}",
        uri=True,
        timeout=_BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        connection.execute(f"PRAGMA mmap_size = {_MMAP_BYTES}")
    except BaseException:
        connection.close()
        raise
    return connection


def prepare(path: str) -> bytes:
    """Create the file or bring its schema forward, and return the key under which payers are remembered.

    The caller holds the file's lock: switching to WAL answers "database is locked" at once on concurrent
    first opens, whatever the busy timeout. Raises StoreUnusableError for a newer store's file.
    """
    with contextlib.closing(connect(path, "rwc")) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        version: int = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > LATEST:
            raise StoreUnusableError(
                f"the store {path} has schema {version}, this version knows {LATEST}: upgrade billingwatch-exporter,"
                " or restore the backup made before the upgrade"
            )
        for migration in MIGRATIONS[version:]:
            connection.execute("BEGIN IMMEDIATE")
            for statement in migration.statements:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {migration.number}")
            connection.execute("COMMIT")
        key: bytes = connection.execute("SELECT value FROM meta WHERE name = 'payer_key'").fetchone()[0]
        return key
