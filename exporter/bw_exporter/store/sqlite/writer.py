"""The writing connection of a process, and the transactions on it."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from bw_exporter.errors import StoreUnavailableError
from bw_exporter.store.group_commit import each_alone
from bw_exporter.store.protocol import Outcome
from bw_exporter.store.sqlite.connection import connect, is_busy, retry_busy
from bw_exporter.store.sqlite.file.store_file import StoreFile
from bw_exporter.store.sqlite.transaction import SqliteTransaction

_FAULTS_OF_THE_WORK = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.ProgrammingError,
    sqlite3.InterfaceError,
)
"""What SQLite says of a value or a statement; anything else it says of the file."""


class StoreLockedError(StoreUnavailableError):
    """A stranger holds the database."""


class Writer:
    """Commits groups of works. The caller holds the lock beside the file for every call."""

    def __init__(self, file: StoreFile, payer_key: bytes) -> None:
        self._file = file
        self._payer_key = payer_key
        self._connection: sqlite3.Connection | None = None

    def connection(self) -> sqlite3.Connection:
        """Return the connection, opened anew where an error closed it."""
        if self._connection is None:
            self._connection = connect(self._file.path, wait=False)
        return self._connection

    def commit(self, works: Sequence[Callable[[Any], Any]], *, wait: bool = True) -> list[Outcome]:
        """Commit the works together; if one raises, each alone, so that it spoils none but itself.

        Raises StoreUnavailableError, which is StoreLockedError where a stranger has the database: at once, or
        after 5 s of `wait`.
        """
        try:
            with self._transaction(wait=wait) as tx:
                return [(work(tx), None) for work in works]
        except StoreUnavailableError:
            raise
        except Exception as error:  # noqa: BLE001 - handed to whose work it is
            if len(works) == 1:
                return [(None, error)]
        return each_alone(works, partial(self._alone, wait=wait))

    def close(self) -> None:
        """Let go of the connection, which rolls back what was begun."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def _alone(self, work: Callable[[Any], Any], *, wait: bool) -> Outcome:
        try:
            with self._transaction(wait=wait) as tx:
                return work(tx), None
        except Exception as error:  # noqa: BLE001 - handed to whose work it is
            return None, error

    @contextlib.contextmanager
    def _transaction(self, *, wait: bool) -> Iterator[SqliteTransaction]:
        connection = self._begun(wait=wait)
        try:
            tx = SqliteTransaction(connection, self._payer_key)
            yield tx
            tx.flush()
            connection.execute("COMMIT")
            self._file.committed()
            self._file.make_due_checkpoint()
        except BaseException as error:
            self.close()
            if isinstance(error, sqlite3.Error) and not isinstance(error, _FAULTS_OF_THE_WORK):
                raise StoreUnavailableError(f"the store {self._file.path} cannot commit: {error}") from error
            raise

    def _begun(self, *, wait: bool) -> sqlite3.Connection:
        """Return the connection, in a transaction."""

        def begin() -> sqlite3.Connection:
            self._file.check_locked()
            connection = self.connection()
            connection.execute("BEGIN IMMEDIATE")
            return connection

        try:
            return retry_busy(begin, wait=wait)
        except sqlite3.Error as error:
            text = f"the store {self._file.path} cannot commit: {error}"
            if is_busy(error):
                raise StoreLockedError(text) from error
            self.close()
            raise StoreUnavailableError(text) from error
