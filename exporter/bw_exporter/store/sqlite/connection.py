"""Connections to the SQLite file: how they are opened, and how a file becomes a store of ours."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from bw_exporter.errors import StoreUnusableError
from bw_exporter.store.sqlite.schema import LATEST, MIGRATIONS

T = TypeVar("T")

_BUSY_SECONDS = 5.0
_ASK_AGAIN_SECONDS = 0.01
_CHECKPOINT_PAGES = 4000
_LOG_BYTES = 32 << 20
"""What is left of a write-ahead log that grew beyond it, while somebody read for long, once it begins anew."""


def connect(path: str, *, wait: bool = True) -> sqlite3.Connection:
    """Open an existing store; it is never created here, so a deleted file cannot come back empty unseen.

    Whether statements `wait` for a lock, or raise sqlite3.OperationalError at once.
    """
    connection = sqlite3.connect(
        # An absolute path is a file whatever its name; SQLite keeps `:memory:` in memory.
        f"file:{quote(str(Path(path).absolute()))}?mode=rw",
        uri=True,
        timeout=_BUSY_SECONDS if wait else 0.0,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        connection.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES}")
    except BaseException:
        connection.close()
        raise
    return connection


def retry_busy(action: Callable[[], T], *, wait: bool) -> T:
    """Run `action`, again while another program locks the database: for 5 s where `wait`, else not again.

    Returns what `action` returns and raises what it raises. Another program is a backup or somebody's shell: our own
    processes wait for the lock beside the file.
    """
    until = time.monotonic() + (_BUSY_SECONDS if wait else 0.0)
    while True:
        try:
            return action()
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() >= until:
                raise
            time.sleep(_ASK_AGAIN_SECONDS)


def is_busy(error: sqlite3.Error) -> bool:
    """Tell whether somebody else's lock is all that is wrong."""
    # The low byte is the primary result code: https://www.sqlite.org/rescode.html
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


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
