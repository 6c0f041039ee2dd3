"""The one writing connection of a process, and its turn among the writers of all replicas."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from bw_exporter.errors import StoreUnavailableError
from bw_exporter.store.group_commit import each_alone
from bw_exporter.store.postgres.connection import (
    Connection,
    UnansweredError,
    connect,
    lock_writers,
    reason,
)
from bw_exporter.store.postgres.reads import TableRead, Tables
from bw_exporter.store.postgres.transaction import PostgresTransaction
from bw_exporter.store.postgres.url import shown
from bw_exporter.store.postgres.writes import write_and_commit
from bw_exporter.store.protocol import Outcome

Work = Callable[[Any], Any]

_TRIES = 3

_AGAIN = (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected)
"""Never so on PostgreSQL, where the lock keeps writers apart; distributed databases may ask for another try."""


@dataclass(frozen=True, slots=True)
class Foreseen:
    """A caller's work and what it is known to read."""

    work: Callable[[PostgresTransaction], Any]
    reads: tuple[TableRead, ...]

    def __call__(self, tx: PostgresTransaction) -> Any:  # noqa: ANN401 - the work's own result
        return self.work(tx)


class Writer:
    """Commits groups of works. `acquire` takes the turn: it begins the transaction that `commit` then ends.

    One thread at a time may use it.
    """

    def __init__(self, url: str, payer_key: bytes) -> None:
        self._url = url
        self._payer_key = payer_key
        self._connection: Connection | None = None

    def acquire(self, *, wait: bool = True) -> bool:
        """Begin a transaction and wait for the lock: it lies with the server, so that there is no telling at once.

        A connection that was lost since it was used last is made anew, as nothing is written yet.
        """
        if not wait:
            return False
        kept = self._connection
        with self._unavailable():
            try:
                lock_writers(self.connection())
            except psycopg.OperationalError as error:
                if kept is None or not kept.closed or isinstance(error, UnansweredError):
                    raise
                self.close()
                lock_writers(self.connection())
        return True

    def release(self) -> None:
        """Roll back what was not committed."""
        connection = self._connection
        if connection is None or connection.info.transaction_status == TransactionStatus.IDLE:
            return
        if connection.info.transaction_status == TransactionStatus.INTRANS:
            with contextlib.suppress(psycopg.Error):
                connection.execute("ROLLBACK")
                return
        # After an error the driver takes statements for prepared that the server has skipped.
        self.close()

    def connection(self) -> Connection:
        """Return the connection, made if there is none."""
        if self._connection is None:
            self._connection = connect(self._url)
        return self._connection

    def close(self) -> None:
        """Let go of the connection; the server rolls back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(psycopg.Error):
                connection.close()

    def commit(self, works: Sequence[Work]) -> list[Outcome]:
        """Commit the works together; if one raises, each alone, so that it spoils none but itself."""
        try:
            return self._finished(works)
        except StoreUnavailableError:
            raise
        except Exception as error:  # noqa: BLE001 - handed to the thread whose work it is
            if len(works) == 1:
                return [(None, error)]
        return each_alone(works, self._alone)

    def _alone(self, work: Work) -> Outcome:
        try:
            self._begin_anew()
            return self._finished([work])[0]
        except Exception as error:  # noqa: BLE001 - handed to the thread whose work it is
            return None, error

    def _finished(self, works: Sequence[Work]) -> list[Outcome]:
        """Do the works in the transaction that has begun and commit it, again where the database asks for that."""
        for _ in range(_TRIES - 1):
            with contextlib.suppress(*_AGAIN), self._unavailable(besides=_AGAIN):
                return self._done(works)
            self._begin_anew()
        with self._unavailable():
            return self._done(works)

    def _done(self, works: Sequence[Work]) -> list[Outcome]:
        tables = Tables(self.connection())
        tables.fetch(read for work in works if isinstance(work, Foreseen) for read in work.reads)
        tx = PostgresTransaction(tables, self._payer_key)
        outcomes: list[Outcome] = [(work(tx), None) for work in works]
        write_and_commit(self.connection(), tx.taken())
        return outcomes

    def _begin_anew(self) -> None:
        self.release()
        self.acquire()

    @contextlib.contextmanager
    def _unavailable(self, besides: tuple[type[psycopg.Error], ...] = ()) -> Iterator[None]:
        """Turn what the server or the network is to blame for into StoreUnavailableError."""
        try:
            yield
        except psycopg.Error as error:
            if _is_of_the_work(error) or isinstance(error, besides):
                raise
            self.close()
            raise StoreUnavailableError(
                f"the store {shown(self._url)} cannot commit: {reason(error)}"
            ) from error


def _is_of_the_work(error: psycopg.Error) -> bool:
    """Tell what is said of a value from what is said of the database; the driver itself gives no SQLSTATE."""
    of_the_driver = isinstance(error, psycopg.ProgrammingError) and error.sqlstate is None
    return of_the_driver or isinstance(error, (psycopg.DataError, psycopg.IntegrityError))
