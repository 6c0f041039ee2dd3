"""A PostgreSQL store as a whole, to be moved: see tables.WholeStore."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar

import psycopg

from bw_exporter.store.postgres.connection import connect
from bw_exporter.store.tables import Row, Table

_ANSWER_SECONDS = 3600.0
"""A commit of everything at once may take its time."""

_BEGIN = """
BEGIN ISOLATION LEVEL READ COMMITTED;
SET LOCAL statement_timeout = 0;
SET LOCAL idle_in_transaction_session_timeout = 0;
SELECT 1 FROM bw_meta WHERE name = 'writer' FOR UPDATE
"""


class PostgresWhole:
    """See tables.WholeStore."""

    errors: ClassVar[tuple[type[Exception], ...]] = (psycopg.Error,)

    def __init__(self, url: str) -> None:
        """Take the writers' lock at `url`, which is a store already."""
        self._connection = connect(url, _ANSWER_SECONDS)
        self._connection.execute(_BEGIN, prepare=False)

    def used_at(self) -> int:
        row = self._connection.execute("SELECT value FROM bw_meta WHERE name = 'probed_at'").fetchone()
        return int(row[0]) if row else 0

    def payer_key(self) -> bytes:
        (row,) = self._connection.execute("SELECT value FROM bw_meta WHERE name = 'payer_key'").fetchall()
        return bytes(row[0])

    def rows(self, table: Table) -> Iterator[Row]:
        with self._connection.cursor(name="whole") as cursor:
            cursor.itersize = 5000
            yield from cursor.execute(table.select("bw_"), binary=True)

    def fill(self, table: Table, rows: Iterable[Row]) -> None:
        statement = f"COPY bw_{table.name} ({', '.join(table.columns)}) FROM STDIN"
        with self._connection.cursor().copy(statement) as copy:
            for row in rows:
                copy.write_row(row)

    def take_key(self, key: bytes) -> None:
        self._connection.execute("UPDATE bw_meta SET value = %s WHERE name = 'payer_key'", (key,))

    def commit(self) -> None:
        self._connection.execute("COMMIT")
        # Without this, the first plans would be made for empty tables.
        self._connection.execute("ANALYZE bw_events, bw_series, bw_ledger, bw_marks, bw_pending, bw_findings")

    def close(self) -> None:
        self._connection.close()
