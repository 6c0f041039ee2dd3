"""The database's file: which one it is, whether it still is, how large, and what reads from it."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from typing import Any

from bw_exporter.errors import StoreUnavailableError
from bw_exporter.store.sqlite.connection import connect


class StoreFile:
    """A file that has been opened once: another one in its place is refused until a restart."""

    def __init__(self, path: str) -> None:
        """Remember which file is at `path`; raises OSError."""
        self.path = path
        self._identity = _identity(path)

    def check(self) -> None:
        """Refuse a file that was replaced or deleted: what is counted must be found where it was counted."""
        try:
            found = _identity(self.path)
        except OSError as error:
            raise StoreUnavailableError(
                f"the store {self.path} is gone: {error}; put it back, or restart to begin a new one"
            ) from error
        if found != self._identity:
            raise StoreUnavailableError(
                f"the store {self.path} was replaced by another file; restart to use that one"
            )

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


def _identity(path: str) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino
