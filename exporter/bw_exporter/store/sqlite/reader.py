"""Reading a SQLite store that an exporter has, may have, or has had: nothing is written, whoever reads."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path
from typing import Any

from bw_exporter.errors import StoreUnavailableError, StoreUnusableError
from bw_exporter.store.sqlite.file.judging import judge_schema, readable, require_files
from bw_exporter.store.sqlite.file.log import has_frames
from bw_exporter.store.sqlite.reads import SqliteReads
from bw_exporter.store.sqlite.schema import LATEST

_TRIES = 3


class SqliteReader(SqliteReads):
    """See protocol.StoreReader.

    With a log, the store is read through it, which needs the side files as an exporter leaves them. Without one
    the file is all there is, and is read as if it could not change: should an exporter start meanwhile, once more.
    """

    latest_schema = LATEST

    def __init__(self, path: str) -> None:
        """Look at the store at `path`; raises StoreUnusableError with the way out."""
        self._path = path
        if not Path(path).exists():
            raise StoreUnusableError(
                f"there is no store {path}; give the --storage.url that `serve` was given"
            )
        require_files(path)
        for file in (path, f"{path}-wal", f"{path}-shm"):
            if Path(file).exists() and not os.access(file, os.R_OK):
                raise StoreUnusableError(
                    f"{file} cannot be read by this user: become the one that the exporter runs as (sudo -u), or let"
                    " this one read the store with its -wal and -shm"
                )
        try:
            with contextlib.closing(readable(path)) as connection:
                self.schema_version = judge_schema(path, connection)
        except sqlite3.Error as error:
            raise StoreUnusableError(
                f"cannot read the store {path}: {error}; is it a SQLite database? Where its exporter was killed, read"
                " it as the user that it ran as, or start it again"
            ) from error

    def close(self) -> None:
        """Do nothing: no connection is kept."""

    def _read(self, query: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        for more in reversed(range(_TRIES)):
            try:
                before = _state(self._path)
                with contextlib.closing(readable(self._path)) as connection:
                    rows = connection.execute(query, parameters).fetchall()
                if before[0] or before == _state(self._path):
                    return rows
            except (sqlite3.Error, OSError) as error:
                if not more:
                    raise StoreUnavailableError(self._reason(error)) from error
        raise StoreUnavailableError(f"the store {self._path} changes while it is read: try again")

    def _reason(self, error: Exception) -> str:
        if self.schema_version < LATEST:
            return (
                f"the store {self._path} has schema {self.schema_version}, this version reads {LATEST}: start"
                " `bw-exporter serve` of this version on it, which brings it forward"
            )
        return f"the store {self._path} cannot be read: {error}"


def _state(path: str) -> tuple[bool, int, int]:
    """Return whether there is a log, and what changes whenever the file does."""
    file = os.stat(path)
    return has_frames(path), file.st_size, file.st_ctime_ns
