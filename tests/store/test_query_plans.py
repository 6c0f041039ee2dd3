"""What each statement of the stores costs on a filled store: none may look at more rows than it is about.

Every method of a store and of a transaction is called, and every statement that this runs is asked for its plan
and its work. So a statement that is added later is looked at without being named here; one that a new method runs
is, too, since the methods are compared with those of the protocol.
"""

from __future__ import annotations

import inspect
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from bw_exporter import housekeeping, ingest
from bw_exporter.effects import forgotten
from bw_exporter.metrics import catalog
from bw_exporter.metrics.series import Add, Observe, RaiseTo
from bw_exporter.store import (
    DeferredCheck,
    Finding,
    PromptStore,
    Store,
    SubmittingStore,
    Transaction,
    open_store,
    open_whole,
)
from bw_exporter.store.postgres.connection import Connection, lock_writers
from bw_exporter.store.postgres.store import PostgresStore
from bw_exporter.store.postgres.transaction import PostgresTransaction
from bw_exporter.store.sqlite.store import SqliteStore
from bw_exporter.store.sqlite.transaction import SqliteTransaction
from bw_exporter.store.tables import TABLES
from bw_simulator.shop import anomalies
from bw_simulator.shop.deliveries import deliveries
from bw_simulator.shop.traffic import Shop
from support import books

from .counts import DAY, NOW

if TYPE_CHECKING:
    from pathlib import Path

    from support.postgres import PostgresServer

ROWS = 4000
"""In each table, of one tenant."""

STEPS_OF_SQLITE, STEPS_OF_A_ROW = 2500, 80
"""What a statement may take of the virtual machine of SQLite: a scan of ROWS takes at least five times as much."""

ROWS_OF_POSTGRES, ROWS_OF_A_ROW = 200, 4
"""How many rows of a table a plan may visit, and how many for each row that it returns or writes."""

WHOLE = (
    "GROUP BY family",
    "FROM marks GROUP BY",
    "FROM bw_marks GROUP BY",
    "FROM tenants",
    "FROM bw_tenants",
    "EXISTS (SELECT 1 FROM events",
    "EXISTS (SELECT 1 FROM bw_events",
    "AND kind =",
)
"""The scrape, which shows everything; who has too many marks, asked each ten minutes; the list of tenants; whether
a tenant has real events, which `simulate` asks before it begins (0.1 s for a million events of SQLite); and what an
upgrade adopts, once for a store and in steps that go on where the last one ended."""

OF_THE_OLDEST = ("FROM marks WHERE tenant = ? ORDER BY at", "FROM bw_marks WHERE tenant = %s ORDER BY at")
"""The marks to evict of a tenant that has more than it may: all of its marks are ordered, a step for 20,000."""

NO_TABLES = ("json_each", "SCAN seconds")
"""What a plan scans that holds no rows but those the statement has made or was given."""

Asked = dict[str, Any]
"""Statements and the last parameters of each."""


def filled(url: str) -> None:
    """Fill every table; what is due and what is old is a small part of it, as on a store that is looked after."""
    with closing(open_store(url)) as store:
        store.register([], NOW)  # the catalogue is that of this version: else all tenants get what is missing
    later = NOW + 30 * DAY
    rows: dict[str, Iterator[tuple[Any, ...]]] = {
        "tenants": ((f"tenant-{n}", NOW) for n in range(ROWS)),
        "events": ((NOW + n // 100, "prod", f"evt_filled_{n}") for n in range(ROWS)),
        "series": ((10_000 + n % 50, "prod", 0, f"made_up_{n} ", n) for n in range(ROWS)),
        "ledger": (("prod", f"obj_{n}", "once", b'{"counted":true}', later) for n in range(ROWS)),
        "marks": (("prod", n % 7, NOW + n, f"ch_{n}", later) for n in range(ROWS)),
        "pending": (
            ("prod", "invoice_mismatch", f"in_{n}", f"sub_{n}", later + n, b"{}") for n in range(ROWS)
        ),
        "findings": ((n + 1, NOW - n, "prod", "duplicate_charge", b"{}") for n in range(ROWS)),
    }
    with closing(open_whole(url)) as whole:
        for table in TABLES:
            whole.fill(table, rows[table.name])
        whole.commit()


def lived(store: Store) -> None:
    """Call everything that a store and a transaction can do, with shops' own events among it."""
    tenant, shop = books.tenant(), Shop("shop", seed=3, started_at=NOW)
    store.register(["prod", "new"], NOW)
    told = [one for second in range(60) for one in shop.next(NOW + second)]
    for name in anomalies.names():
        told += anomalies.play(name, "shop", NOW)
    for delivery in deliveries("shop", told)[0]:
        ingest.receive(delivery.body, tenant, store, NOW + 60)
        if b"invoice.finalized" in delivery.body:
            ingest.receive(delivery.body.replace(b"in_", b"in_late_"), tenant, store, NOW + 40 * DAY)
    for seconds in range(0, 7200, 600):
        housekeeping.resolve_due(store, NOW + seconds)

    def work(tx: Transaction) -> None:
        for number in range(100):
            tx.mark("prod", tx.secret_topic("burst"), (NOW + number, "ch_burst"), NOW + DAY)
        deferred = DeferredCheck("prod", "invoice_mismatch", "in_x", "sub_x", NOW, b"{}")
        tx.defer(deferred)
        tx.report(Finding(NOW, "prod", "duplicate_charge", {}))
        tx.remember_event(NOW, "prod", "evt_x")
        tx.save("prod", "once", "obj_x", b"{}", NOW - DAY)
        changes = (Add(catalog.REFUNDS), RaiseTo(catalog.LAST_EVENT, NOW), Observe(catalog.WEBHOOK_LAG, 3))
        tx.change("unregistered", changes)

    def look(tx: Transaction) -> None:
        tx.marks_around("prod", tx.secret_topic("burst"), (NOW + 50, "ch_burst"), 300, 9)
        tx.knows_event(NOW, "prod", "evt_x")
        tx.saw_event_since("silent", NOW, besides="evt_x")
        tx.load("prod", "once", "obj_1")
        for each in (*tx.deferred("prod", "invoice_mismatch", "sub_x"), *tx.due(NOW, 64)):
            tx.drop(each)

    store.write(work)
    store.write(look)
    assert isinstance(store, SubmittingStore)
    store.submit(look, lambda _outcome: None)
    if isinstance(store, PromptStore):
        store.try_write([look])
    store.families(["prod"])
    store.samples("prod")
    store.above_zero([1, 2, 3])
    store.above_zero([1, 2, 3], ["prod"])
    store.findings(tenant=None, since_at=NOW - 50, limit=9)
    store.findings(tenant="prod", since_at=NOW - 50, limit=9)
    store.remembers_event("prod", besides="evt_sim")
    store.remembered_after("subscription", ("prod", "obj_1"), 9)
    store.remembered("prod", "charge", "ch_1")
    store.prune(NOW, 500, forgotten)
    store.prune_marks(NOW + 3 * DAY, 50)
    store.evict(ROWS, lambda _charges: ())
    store.probe(NOW)
    store.size_bytes()


def methods(*protocols: type) -> set[str]:
    return {
        name
        for protocol in protocols
        for name, value in vars(protocol).items()
        if inspect.isfunction(value) and not name.startswith("_")
    }


def noted(classes: tuple[type, ...], monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Return the set in which the names of these classes' methods will be, once each was called."""
    called: set[str] = set()

    def noting(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def method(*args: Any, **kwargs: Any) -> Any:
            called.add(name)
            return original(*args, **kwargs)

        return method

    for each in classes:
        for name, value in list(vars(each).items()):
            if inspect.isfunction(value) and not name.startswith("_"):
                monkeypatch.setattr(each, name, noting(name, value))
    return called


def of_data(statement: str) -> bool:
    """Whether a statement reads or writes tables of ours, and not all of one on purpose."""
    verbs = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")
    text = " ".join(statement.split())
    whole = any(part in text for part in (*WHOLE, *OF_THE_OLDEST))
    return text.startswith(verbs) and "sqlite_master" not in text and not whole


class NotingConnection(sqlite3.Connection):
    """A connection that notes its statements."""

    asked: ClassVar[Asked] = {}

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        self.asked[sql] = parameters
        return super().execute(sql, parameters)

    def executemany(self, sql: str, parameters: Any, /) -> sqlite3.Cursor:
        rows = list(parameters)
        if rows:
            self.asked[sql] = rows[-1]
        return super().executemany(sql, rows)


def test_no_statement_of_the_sqlite_store_looks_at_rows_it_is_not_about(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(f"sqlite:///{path}")
    connect = sqlite3.connect
    monkeypatch.setattr(NotingConnection, "asked", {})
    monkeypatch.setattr(
        sqlite3, "connect", lambda *args, **kwargs: connect(*args, **{**kwargs, "factory": NotingConnection})
    )
    called = noted((SqliteStore, SqliteTransaction), monkeypatch)
    with closing(open_store(f"sqlite:///{path}")) as store:
        lived(store)
    assert methods(Store, PromptStore, SubmittingStore, Transaction) <= called, "call it in lived()"
    asked = {sql: values for sql, values in NotingConnection.asked.items() if of_data(sql)}
    assert len(asked) > 25
    dear = []
    with closing(connect(path, isolation_level=None)) as connection:
        for sql, values in asked.items():
            plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
            scans = [
                line
                for line in plan
                if line.startswith("SCAN") and not any(name in line for name in NO_TABLES)
            ]
            steps, rows = work_of_sqlite(connection, sql, values)
            if scans or steps > STEPS_OF_SQLITE + STEPS_OF_A_ROW * rows:
                dear.append(f"{steps} steps for {rows} rows: {sql}\n    {plan}")
    assert not dear, "\n" + "\n".join(dear)


def work_of_sqlite(connection: sqlite3.Connection, sql: str, values: Any) -> tuple[int, int]:
    """Return the steps that SQLite's virtual machine takes, and the rows returned or written."""
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    connection.execute("BEGIN")
    connection.set_progress_handler(step, 1)
    try:
        cursor = connection.execute(sql, values)
        rows = len(cursor.fetchall())
    finally:
        connection.set_progress_handler(None, 0)
        connection.execute("ROLLBACK")
    return steps, max(rows, cursor.rowcount)


def test_no_statement_of_the_postgresql_store_looks_at_rows_it_is_not_about(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres.new_store()
    filled(url)
    asked: Asked = {}
    execute = Connection.execute

    def noting(self: Any, query: Any, params: Any = None, **kwargs: Any) -> Any:
        asked[query] = params
        return execute(self, query, params, **kwargs)

    monkeypatch.setattr(Connection, "execute", noting)
    called = noted((PostgresStore, PostgresTransaction), monkeypatch)
    with closing(open_store(url)) as store:
        lived(store)
    assert methods(Store, SubmittingStore, Transaction) <= called, "call it in lived()"
    monkeypatch.undo()
    with closing(open_store(url)) as store:
        assert isinstance(store, PostgresStore)
        connection = store._writer.connection()
        # An event is remembered once: its statement cannot be run again beside what it has written.
        connection.execute("DELETE FROM bw_events WHERE event NOT LIKE 'evt_filled%%'")
        dear = []
        statements = {sql: values for sql, values in asked.items() if of_data(sql)}
        assert len(statements) > 20
        for sql, values in statements.items():
            lock_writers(connection)
            explained = connection.execute(f"EXPLAIN (ANALYZE, TIMING off, FORMAT json) {sql}", values)  # type: ignore[call-overload]
            (plan,) = explained.fetchone()
            connection.execute("ROLLBACK")
            visited, rows = rows_of_postgres(plan[0]["Plan"])
            if visited > ROWS_OF_POSTGRES + ROWS_OF_A_ROW * rows:
                dear.append(f"{visited} rows visited for {rows}: {sql}\n{json.dumps(plan, indent=1)}")
    assert not dear, "\n" + "\n".join(dear)


def rows_of_postgres(plan: dict[str, Any]) -> tuple[int, int]:
    """Return the rows of tables that a plan visits, those it filters away included, and those it gives or writes."""
    visited = 0
    nodes, given = [plan], plan["Actual Rows"] * plan["Actual Loops"]
    while nodes:
        node = nodes.pop()
        nodes += node.get("Plans", [])
        if "Relation Name" in node and "Scan" in node["Node Type"]:
            removed = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
            visited += round((node["Actual Rows"] + removed) * node["Actual Loops"])
        if node["Node Type"] == "ModifyTable":
            given = max(given, *(each["Actual Rows"] * each["Actual Loops"] for each in node["Plans"]))
    return visited, round(given)


def test_a_plan_that_visits_every_row_is_noticed(postgres: PostgresServer, path: Path) -> None:
    """The judges themselves: a search by half of a key, as once for the deferred checks of a subject."""
    half = "SELECT state FROM {} WHERE tenant = 'prod' AND \"check\" = 'invoice_mismatch' AND due_at + 0 = 1"
    filled(f"sqlite:///{path}")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        steps, _ = work_of_sqlite(connection, half.format("pending"), ())
    assert steps > 5 * STEPS_OF_SQLITE
    url = postgres.new_store()
    filled(url)
    explained = postgres.sql("EXPLAIN (ANALYZE, FORMAT json) " + half.format("bw_pending"), url)
    assert rows_of_postgres(explained[0][0][0]["Plan"])[0] == ROWS
