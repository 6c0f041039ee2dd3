"""The embedded store: one SQLite file in WAL mode, synchronous=FULL, shared by the processes of one machine."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from bw_exporter.errors import StoreUnavailableError, StoreUnusableError
from bw_exporter.metrics.series import Change
from bw_exporter.store.catalogue import fingerprint, in_parts
from bw_exporter.store.group_commit import GroupCommit
from bw_exporter.store.marks import BEFORE_ALL, MarkRow, in_steps, oldest_in_steps
from bw_exporter.store.protocol import (
    COMMIT_TIMEOUT_SECONDS,
    Outcome,
    Transaction,
)
from bw_exporter.store.sqlite.file.file_lock import FileLock
from bw_exporter.store.sqlite.file.judging import require_files
from bw_exporter.store.sqlite.file.opening import prepare
from bw_exporter.store.sqlite.file.store_file import StoreFile
from bw_exporter.store.sqlite.reads import SqliteReads
from bw_exporter.store.sqlite.schema import LATEST
from bw_exporter.store.sqlite.transaction import SqliteTransaction
from bw_exporter.store.sqlite.upkeep import (
    catalogue_noted,
    completed,
    families_begun,
    noted_probe,
    pruned,
    registered,
    without,
)
from bw_exporter.store.sqlite.writer import StoreLockedError, Writer

T = TypeVar("T")


class SqliteStore(SqliteReads):
    """See protocol.Store.

    Writers of all processes take turns on a lock beside the file, so that SQLite's own busy handler, which
    measured far longer tails, is only met when a stranger holds the database.
    """

    schema_version = latest_schema = LATEST

    def __init__(self, path: str) -> None:
        """Open the file at `path`, creating it and its folder, and bring its schema forward.

        Raises StoreUnusableError with the way out.
        """
        path = os.path.realpath(path)  # SQLite puts the log beside the file that a link leads to
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            require_files(path)
            with contextlib.ExitStack() as undone:
                self._lock = FileLock(f"{path}.lock")
                undone.callback(self._lock.close)
                if self._lock.created:
                    undone.callback(self._lock.remove)
                with self._lock.held():
                    connection, payer_key = prepare(path, self._lock)
                    undone.callback(connection.close)
                    self._file = StoreFile(path, self._lock, connection)
                undone.pop_all()
        except (OSError, sqlite3.Error) as error:
            raise StoreUnusableError(
                f"cannot open the store {path}: {error}; is the folder there and writable by this user, and"
                " the file a SQLite database?"
            ) from error
        self._writer = Writer(self._file, payer_key)
        self._walked: tuple[Any, ...] = BEFORE_ALL
        self._group = GroupCommit(self._writer.commit, COMMIT_TIMEOUT_SECONDS, self._lock)

    def write(self, work: Callable[[Transaction], T], *, no_timeout: bool = False) -> T:
        result: T = self._group.run(work, no_timeout=no_timeout)
        return result

    def try_write(self, works: Sequence[Callable[[Transaction], Any]]) -> list[Outcome] | None:
        try:
            return self._group.try_run(lambda: self._writer.commit(works, wait=False))
        except StoreLockedError:
            return None

    def submit(
        self,
        work: Callable[[Transaction], Any],
        then: Callable[[Outcome], None],
        after_all: Callable[[], None] | None = None,
    ) -> Callable[[], bool]:
        return self._group.submit(work, then, after_all)

    def register(self, tenants: Sequence[str], now: int) -> None:
        known = [tenant for (tenant,) in self._read("SELECT tenant FROM tenants")]
        if self._read("SELECT value FROM meta WHERE name = 'catalogue'") != [(fingerprint(),)]:
            self._own_write(partial(families_begun, now=now))
            for part in in_parts(known):
                self._own_write(partial(completed, tenants=part))
            self._own_write(catalogue_noted)
        for part in in_parts(sorted({*tenants} - {*known})):
            self._own_write(partial(registered, tenants=part, now=now))

    def prune(self, now: int, limit: int, forgotten: Callable[[str, bytes], Sequence[Change]]) -> int:
        return self.write(lambda tx: pruned(self._writer.connection(), _own(tx), now, limit, forgotten))

    def prune_marks(self, now: int, limit: int) -> int:
        columns = "tenant, topic, at, key"
        query = f"SELECT {columns}, keep_until FROM marks WHERE ({columns}) > (?, ?, ?, ?) ORDER BY {columns} LIMIT ?"  # noqa: S608 - constants
        walked = self._read(query, (*self._walked, limit))
        self._walked = walked[-1][:4] if len(walked) == limit else BEFORE_ALL
        old = [row[:4] for row in walked if row[4] < now]
        return sum(len(self._without(step)) for step in in_steps(old))

    def evict(self, most: int, counted: Callable[[int], Sequence[Change]]) -> int:
        gone = 0
        crowded = self._read(
            "SELECT tenant, count(*) - ? FROM marks GROUP BY tenant HAVING count(*) > ?", (most, most)
        )
        for tenant, excess in crowded:
            for step in oldest_in_steps(partial(self._oldest_marks, tenant), excess):
                gone += len(self._without(step, counted))
        return gone

    def remembered_after(self, kind: str, after: tuple[str, str], limit: int) -> list[tuple[str, str, bytes]]:
        where = "WHERE (tenant, key) > (?, ?) AND kind = ? ORDER BY tenant, key LIMIT ?"
        return self._read(f"SELECT tenant, key, state FROM ledger {where}", (*after, kind, limit))  # noqa: S608 - constants

    def probe(self, now: int) -> float:
        begun = time.monotonic()
        self.write(lambda _tx: noted_probe(self._writer.connection(), now))
        seconds = time.monotonic() - begun
        # By a connection that opens the file and its log anew, as the next start will.
        if self._read("SELECT value FROM meta WHERE name = 'probed_at'") < [(b"%d" % now,)]:
            raise StoreUnavailableError("a commit to the store is not found by a new connection to it")
        return seconds

    def size_bytes(self) -> int:
        return self._file.size_bytes()

    def close(self) -> None:
        self._group.close()
        self._writer.close()
        self._file.close()
        self._lock.close()

    def _read(self, query: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        return self._file.read(query, parameters)

    def _own_write(self, work: Callable[[sqlite3.Connection], None]) -> None:
        """Write what needs the connection itself."""
        self.write(lambda _tx: work(self._writer.connection()))

    def _oldest_marks(self, tenant: str, most: int) -> list[MarkRow]:
        query = "SELECT tenant, topic, at, key FROM marks WHERE tenant = ? ORDER BY at, key LIMIT ?"
        return self._read(query, (tenant, most))

    def _without(
        self, marks: Sequence[MarkRow], counted: Callable[[int], Sequence[Change]] = lambda _charges: ()
    ) -> list[MarkRow]:
        """Forget marks of one tenant; `counted` says what the loss of so many charges changes."""

        def work(tx: Transaction) -> list[MarkRow]:
            gone = without(self._writer.connection(), _own(tx), marks)
            if gone:
                tx.change(gone[0][0], counted(len({key for *_, key in gone})))
            return gone

        return self.write(work)


def _own(tx: Transaction) -> SqliteTransaction:
    """The transaction that this store gave to a work."""
    assert isinstance(tx, SqliteTransaction)
    return tx
