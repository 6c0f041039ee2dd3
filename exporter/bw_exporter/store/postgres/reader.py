"""The reading connection of a process: scrapes and pages never wait for the writer, nor it for them."""

from __future__ import annotations

import contextlib
import threading
from typing import Any, LiteralString

import psycopg

from bw_exporter.errors import StoreUnavailableError
from bw_exporter.store.postgres.connection import READ_SECONDS, Connection, UnansweredError, connect, reason
from bw_exporter.store.postgres.url import shown


class Reader:
    """Reads on a connection that is kept; a second read at the same time makes one of its own for a while."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._mutex = threading.Lock()
        self._kept: Connection | None = None

    def read(
        self, query: LiteralString, parameters: tuple[Any, ...] = (), settings: LiteralString = ""
    ) -> list[tuple[Any, ...]]:
        """Return all rows; `settings` are SET LOCAL statements. Raises StoreUnavailableError."""
        if not self._mutex.acquire(blocking=False):
            with contextlib.closing(self._connected()) as connection:
                return self._rows(connection, query, parameters, settings)
        try:
            kept = self._kept
            if kept is not None:
                # Away for a while, and back: tried once more, on a new connection.
                try:
                    return _asked(kept, query, parameters, settings)
                except UnansweredError as error:
                    raise self._unavailable(error) from error
                except psycopg.OperationalError:
                    self.forget()
                except psycopg.Error as error:
                    raise self._unavailable(error) from error
            self._kept = self._connected()
            return self._rows(self._kept, query, parameters, settings)
        except BaseException:
            self.forget()
            raise
        finally:
            self._mutex.release()

    def close(self) -> None:
        """Let go of the connection when no read is going on."""
        with self._mutex:
            self.forget()

    def forget(self) -> None:
        """Close what is kept; the caller has the mutex."""
        connection, self._kept = self._kept, None
        if connection is not None:
            connection.close()

    def _connected(self) -> Connection:
        try:
            return connect(self._url, READ_SECONDS)
        except psycopg.Error as error:
            raise self._unavailable(error) from error

    def _rows(
        self,
        connection: Connection,
        query: LiteralString,
        parameters: tuple[Any, ...],
        settings: LiteralString,
    ) -> list[tuple[Any, ...]]:
        try:
            return _asked(connection, query, parameters, settings)
        except psycopg.Error as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: psycopg.Error) -> StoreUnavailableError:
        return StoreUnavailableError(f"the store {shown(self._url)} cannot be read: {reason(error)}")


def _asked(
    connection: Connection, query: LiteralString, parameters: tuple[Any, ...], settings: LiteralString
) -> list[tuple[Any, ...]]:
    if not settings:
        return connection.execute(query, parameters, binary=True).fetchall()
    connection.execute(f"BEGIN READ ONLY; {settings}", prepare=False)
    rows = connection.execute(query, parameters, binary=True).fetchall()
    connection.execute("COMMIT")
    return rows
