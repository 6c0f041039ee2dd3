"""The shared store: a PostgreSQL database that several replicas write, one transaction at a time."""

from __future__ import annotations

import contextlib
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import orjson

from bw_exporter.errors import StoreUnavailableError
from bw_exporter.metrics.catalog import FAMILIES
from bw_exporter.metrics.series import Change
from bw_exporter.store.catalogue import fingerprint, in_parts
from bw_exporter.store.declared import DeclaredWork, MarksAround, Read, SecretStatesOf, StatesOf, secret_key
from bw_exporter.store.group_commit import GroupCommit
from bw_exporter.store.marks import BEFORE_ALL, MarkRow, in_steps, oldest_in_steps, secret_topic
from bw_exporter.store.postgres import upkeep
from bw_exporter.store.postgres.arrays import may_be_stored
from bw_exporter.store.postgres.connection import Connection, connect, prepare, reported
from bw_exporter.store.postgres.reader import Reader
from bw_exporter.store.postgres.reads import Span, TableRead
from bw_exporter.store.postgres.schema import LATEST
from bw_exporter.store.postgres.transaction import PostgresTransaction
from bw_exporter.store.postgres.writer import Foreseen, Writer
from bw_exporter.store.postgres.writes import write
from bw_exporter.store.protocol import (
    COMMIT_TIMEOUT_SECONDS,
    Finding,
    Outcome,
    Transaction,
)

T = TypeVar("T")

_log = logging.getLogger(__name__)

# The key's own order, so that nothing has to be sorted; compiling the plan would cost more than it saves.
_FOR_SCRAPES = "SET LOCAL enable_sort = off; SET LOCAL enable_seqscan = off; SET LOCAL jit = off"


class PostgresStore:
    """See protocol.Store.

    Writers of all replicas take turns on one locked row, so that each transaction finds what every one before it
    has left. A group costs three round trips, however large: take the lock, read, write and commit.
    """

    latest_schema = LATEST

    def __init__(self, url: str, *, migrate: bool = True) -> None:
        """Open the store at `url`; only where `migrate`, create its tables or bring their schema forward.

        Raises StoreUnusableError with the way out.
        """
        with reported(url), contextlib.closing(connect(url)) as connection:
            self.schema_version, self._payer_key = prepare(connection, url, migrate=migrate)
        self._writer = Writer(url, self._payer_key)
        self._reader = Reader(url)
        self._group = GroupCommit(self._writer.commit, COMMIT_TIMEOUT_SECONDS, self._writer)
        self._holder = secrets.token_bytes(16)
        self._keeps_house = False
        self._walked: MarkRow = BEFORE_ALL
        self._size_bytes = 0

    def write(self, work: Callable[[Transaction], T], *, no_timeout: bool = False) -> T:
        result: T = self._group.run(self._foreseen(work), no_timeout=no_timeout)
        return result

    def submit(
        self,
        work: Callable[[Transaction], Any],
        then: Callable[[Outcome], None],
        after_all: Callable[[], None] | None = None,
    ) -> Callable[[], bool]:
        return self._group.submit(self._foreseen(work), then, after_all)

    def register(self, tenants: Sequence[str], now: int) -> None:
        known = [row[0] for row in self._reader.read("SELECT tenant FROM bw_tenants")]
        noted = self._reader.read("SELECT value FROM bw_meta WHERE name = 'catalogue'")
        if [bytes(value) for (value,) in noted] != [fingerprint()]:
            self._own_write(partial(upkeep.families_begun, now=now))
            for part in in_parts(known):
                self._own_write(partial(upkeep.completed, tenants=part))
            self._own_write(upkeep.catalogue_noted)
        for part in in_parts(sorted({*tenants} - {*known})):
            self._own_write(partial(upkeep.registered, tenants=part, now=now))

    def families(self, tenants: Sequence[str]) -> list[tuple[int, bytes]]:
        return self._reader.read(
            "SELECT family, convert_to(string_agg(line || value, E'\\n' ORDER BY tenant, rank, line), 'UTF8')"
            " FROM bw_series"
            " WHERE tenant NOT IN (SELECT tenant FROM bw_tenants WHERE tenant <> ALL (%s)) GROUP BY family",
            (list(tenants),),
            _FOR_SCRAPES,
        )

    def samples(self, tenant: str) -> dict[str, int]:
        if not may_be_stored(tenant):
            return {}
        numbers = [family.number for family in FAMILIES if family.stored]
        rows = self._reader.read(
            "SELECT line, value FROM bw_series WHERE family = ANY (%s) AND tenant = %s", (numbers, tenant)
        )
        return dict(rows)

    def above_zero(
        self, families: Sequence[int], tenants: Sequence[str] | None = None
    ) -> list[tuple[str, str, int]]:
        wanted = None if tenants is None else [tenant for tenant in tenants if may_be_stored(tenant)]
        return self._reader.read(
            "SELECT tenant, line, value FROM bw_series WHERE family = ANY (%s) AND value > 0"
            " AND (%s::text[] IS NULL OR tenant = ANY (%s)) ORDER BY family, tenant, rank, line",
            (list(families), wanted, wanted),
        )

    def findings(self, *, tenant: str | None, since_at: int, limit: int) -> list[Finding]:
        if tenant is not None and not may_be_stored(tenant):
            return []
        rows = self._reader.read(
            "SELECT found_at, tenant, kind, details FROM bw_findings"
            " WHERE found_at >= %s AND (%s::text IS NULL OR tenant = %s) ORDER BY found_at DESC, id DESC LIMIT %s",
            (since_at, tenant, tenant, limit),
        )
        return [Finding(found_at, owner, kind, orjson.loads(raw)) for found_at, owner, kind, raw in rows]

    def remembered(self, tenant: str, kind: str, key: str) -> bytes | None:
        if not may_be_stored(tenant):
            return None
        query = "SELECT state FROM bw_ledger WHERE tenant = %s AND key = %s AND kind = %s"
        rows = self._reader.read(query, (tenant, key, kind))
        return bytes(rows[0][0]) if rows else None

    def remembers_event(self, tenant: str, *, besides: str = "") -> bool:
        if not may_be_stored(tenant):
            return False
        query = (
            "SELECT EXISTS (SELECT 1 FROM bw_events WHERE tenant = %s"
            " AND (%s::text = '' OR NOT starts_with(event, %s)))"
        )
        return bool(self._reader.read(query, (tenant, besides, besides))[0][0])

    def prune(self, now: int, limit: int, forgotten: Callable[[str, bytes], Sequence[Change]]) -> int:
        if not self._leads():
            return 0

        def work(tx: PostgresTransaction) -> int:
            self._flush(tx)  # what other works of the group keep for longer must not be forgotten here
            gone, ended = upkeep.pruned(self._writer.connection(), now, limit)
            for tenant, kind, state in ended:
                tx.change(tenant, forgotten(kind, state))
            return gone

        return self._do(work)

    def prune_marks(self, now: int, limit: int) -> int:
        if not self._leads():
            return 0
        walked = self._reader.read(
            "SELECT tenant, topic, at, key, keep_until FROM bw_marks WHERE (tenant, topic, at, key) > (%s, %s, %s, %s)"
            " ORDER BY tenant, topic, at, key LIMIT %s",
            (*self._walked, limit),
        )
        self._walked = walked[-1][:4] if len(walked) == limit else BEFORE_ALL
        old: list[MarkRow] = [row[:4] for row in walked if row[4] < now]
        return sum(self._without(step) for step in in_steps(old))

    def evict(self, most: int, counted: Callable[[int], Sequence[Change]]) -> int:
        if not self._leads():
            return 0
        gone = 0
        crowded = self._reader.read(
            "SELECT tenant, count(*) - %s FROM bw_marks GROUP BY tenant HAVING count(*) > %s", (most, most)
        )
        for tenant, excess in crowded:
            oldest = partial(self._oldest_marks, tenant)
            gone += sum(self._without(step, counted) for step in oldest_in_steps(oldest, excess))
        return gone

    def remembered_after(self, kind: str, after: tuple[str, str], limit: int) -> list[tuple[str, str, bytes]]:
        return self._reader.read(
            "SELECT tenant, key, state FROM bw_ledger WHERE (tenant, key) > (%s, %s) AND kind = %s"
            " ORDER BY tenant, key LIMIT %s",
            (*after, kind, limit),
        )

    def probe(self, now: int) -> float:
        begun = time.monotonic()
        self._do(lambda _tx: upkeep.noted_probe(self._writer.connection(), now))
        return time.monotonic() - begun

    def size_bytes(self) -> int:
        with contextlib.suppress(StoreUnavailableError):
            ((self._size_bytes,),) = self._reader.read(upkeep.SIZE)
        return self._size_bytes

    def close(self) -> None:
        if self._keeps_house:
            with contextlib.suppress(StoreUnavailableError):
                self._do(lambda _tx: upkeep.released(self._writer.connection(), self._holder))
        self._group.close()
        self._writer.close()
        self._reader.close()

    def _foreseen(self, work: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Ask a work for its reads now, not while the transaction keeps other writers waiting."""
        if not isinstance(work, DeclaredWork):
            return work
        try:
            reads = tuple(self._of_table(read) for read in work.reads())
        except Exception:  # noqa: BLE001 - the work itself may be whole
            _log.exception("a work cannot say what it reads; its reads take a round trip each")
            reads = ()
        return Foreseen(work.run, reads)

    def _of_table(self, read: Read) -> TableRead:
        if not isinstance(read, MarksAround | SecretStatesOf):
            return read
        topic = secret_topic(self._payer_key, read.parts)
        if isinstance(read, SecretStatesOf):
            return StatesOf(read.tenant, secret_key(topic))
        return Span(read.tenant, topic, read.at - read.within_seconds, read.at + read.within_seconds)

    def _own_write(self, work: Callable[[Connection], None]) -> None:
        """Write what needs the connection itself."""
        self._do(lambda _tx: work(self._writer.connection()))

    def _leads(self) -> bool:
        """Tell whether this process may keep house now: one does at a time, of all replicas."""
        self._keeps_house = self._do(lambda _tx: upkeep.leased(self._writer.connection(), self._holder))
        return self._keeps_house

    def _oldest_marks(self, tenant: str, most: int) -> list[MarkRow]:
        query = "SELECT tenant, topic, at, key FROM bw_marks WHERE tenant = %s ORDER BY at, key LIMIT %s"
        return self._reader.read(query, (tenant, most))

    def _without(
        self, marks: Sequence[MarkRow], counted: Callable[[int], Sequence[Change]] = lambda _charges: ()
    ) -> int:
        """Forget marks of one tenant; `counted` says what the loss of so many charges changes."""

        def work(tx: PostgresTransaction) -> int:
            self._flush(tx)
            gone = upkeep.without(self._writer.connection(), marks)
            if gone:
                tx.change(gone[0][0], counted(len({key for *_, key in gone})))
            return len(gone)

        return self._do(work)

    def _flush(self, tx: PostgresTransaction) -> None:
        write(self._writer.connection(), tx.taken())

    def _do(self, work: Callable[[PostgresTransaction], T]) -> T:
        """Run a work of the store's own: it speaks to the database itself."""
        result: T = self._group.run(work)
        return result
