"""Connections to the SQLite file: how they are opened, and how a file becomes a store of ours."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path
from urllib.parse import quote

from bw_exporter.errors import StoreUnusableError
from bw_exporter.store.schema import LATEST, MIGRATIONS

_BUSY_SECONDS = 5.0
_CHECKPOINT_PAGES = 4000


def connect(path: str) -> sqlite3.Connection:
    """Open an existing store; it is never created here, so a deleted file cannot come back empty unseen."""
    connection = sqlite3.connect(
        # An absolute path is a file whatever its name; SQLite keeps `:memory:` in memory.
        f"file:{quote(str(Path(path).absolute()))}?mode=rw",
        uri=True,
        timeout=_BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
    except BaseException:
        connection.close()
        raise
    return connection


def prepare(path: str) -> bytes:
    """Create the file or bring its schema forward, and return the key under which payers are remembered.

    The caller holds the file's lock: switching to WAL answers "database is locked" at once on concurrent
    first opens, whatever the busy timeout. Raises StoreUnusableError for a newer store's file, another
    program's and one that cannot be written.
    """
    if not Path(path).exists():
        # For its owner alone: it holds Stripe ids and the payers' key. SQLite's side files follow it.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    if not os.access(path, os.W_OK):
        raise StoreUnusableError(f"the store {path} is read-only for this user: change its owner or its mode")
    with contextlib.closing(connect(path)) as connection:
        version: int = connection.execute("PRAGMA user_version").fetchone()[0]
        if version == 0 and connection.execute("SELECT 1 FROM sqlite_master").fetchone():
            raise StoreUnusableError(
                f"{path} is another program's database: give the store a file of its own"
            )
        if version > LATEST:
            raise StoreUnusableError(
                f"the store {path} has schema {version}, this version knows {LATEST}: upgrade billingwatch-exporter,"
                " or restore the backup made before the upgrade"
            )
        connection.execute("PRAGMA journal_mode = WAL")
        for migration in MIGRATIONS[version:]:
            connection.execute("BEGIN IMMEDIATE")
            for statement in migration.statements:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {migration.number}")
            connection.execute("COMMIT")
        key: bytes = connection.execute("SELECT value FROM meta WHERE name = 'payer_key'").fetchone()[0]
        return key
