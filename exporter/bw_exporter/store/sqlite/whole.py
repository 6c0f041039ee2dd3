"""A SQLite store as a whole, to be moved: see tables.WholeStore."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import ClassVar

from bw_exporter.store.sqlite.connection import connect
from bw_exporter.store.sqlite.file.checkpoint import note_closed, write_note
from bw_exporter.store.sqlite.file.file_lock import FileLock
from bw_exporter.store.sqlite.file.judging import judge, require_files
from bw_exporter.store.sqlite.file.note import Note, note_in
from bw_exporter.store.tables import Row, Table


class SqliteWhole:
    """See tables.WholeStore."""

    errors: ClassVar[tuple[type[Exception], ...]] = (sqlite3.Error, OSError)

    def __init__(self, path: str) -> None:
        """Lock the file at `path` and begin; it is a store already."""
        require_files(path)
        self._lock = FileLock(f"{path}.lock")
        self._path = path
        self._lock.acquire()
        try:
            judge(path, self._lock.note())
            self._connection = connect(path)
            self._connection.execute("BEGIN IMMEDIATE")
        except BaseException:
            self._lock.close()
            raise

    def used_at(self) -> int:
        row = self._connection.execute("SELECT value FROM meta WHERE name = 'probed_at'").fetchone()
        return int(row[0]) if row else 0

    def payer_key(self) -> bytes:
        key: bytes = self._connection.execute("SELECT value FROM meta WHERE name = 'payer_key'").fetchone()[0]
        return key

    def rows(self, table: Table) -> Iterator[Row]:
        return iter(self._connection.execute(table.select()))

    def fill(self, table: Table, rows: Iterable[Row]) -> None:
        places = ", ".join("?" * len(table.columns))
        statement = f"INSERT INTO {table.name} ({', '.join(table.columns)}) VALUES ({places})"  # noqa: S608 - constants
        self._connection.executemany(statement, rows)

    def take_key(self, key: bytes) -> None:
        self._connection.execute("UPDATE meta SET value = ? WHERE name = 'payer_key'", (key,))

    def commit(self) -> None:
        if (note := note_in(self._lock.note())) is not None:
            write_note(self._lock, replace(note, closed=False))  # a log that a kill leaves is this file's own
        self._connection.execute("COMMIT")

    def close(self) -> None:
        self._connection.close()
        with contextlib.suppress(OSError):  # then the next start looks through the file
            note_closed(self._path, self._lock, note_in(self._lock.note()) or Note())
        self._lock.close()
