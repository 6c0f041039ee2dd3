"""Connections to the SQLite file: how they are opened, and how long they wait for a stranger."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

T = TypeVar("T")

_BUSY_SECONDS = 5.0
_RETRY_SECONDS = 0.01
_LOG_BYTES = 32 << 20
"""What is left of a write-ahead log that grew beyond it, while somebody read for long, once it begins anew."""


def connect(path: str, *, wait: bool = True) -> sqlite3.Connection:
    """Open an existing store; it is never created here, so a deleted file cannot come back empty unseen.

    Whether statements `wait` for a lock, or raise sqlite3.OperationalError at once. Commits make no checkpoint:
    see file/checkpoint.py.
    """
    connection = sqlite3.connect(
        file_uri(path, "mode=rw"),
        uri=True,
        timeout=_BUSY_SECONDS if wait else 0.0,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
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
            time.sleep(_RETRY_SECONDS)


def is_busy(error: sqlite3.Error) -> bool:
    """Tell whether somebody else's lock is all that is wrong."""
    # The low byte is the primary result code: https://www.sqlite.org/rescode.html
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


def file_uri(path: str, options: str) -> str:
    """Return the URI of a file: an absolute path is a file whatever its name."""
    return f"file:{quote(str(Path(path).absolute()))}?{options}"
