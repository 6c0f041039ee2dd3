"""What a SQLite store does beside counting: registering tenants, probing, forgetting."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

from bw_exporter.metrics import catalog
from bw_exporter.metrics.series import Change, of_no_tenant, of_tenant, series
from bw_exporter.store.catalogue import COUNTED, begun, fingerprint
from bw_exporter.store.marks import MarkRow
from bw_exporter.store.retention import EVENT_IDS_SECONDS, FINDING_SECONDS
from bw_exporter.store.sqlite.transaction import ZERO, SqliteTransaction


def registered(connection: sqlite3.Connection, tenants: Sequence[str], now: int) -> None:
    """Give tenants their series at 0, so that each first increment is one from 0; an old one keeps its counts."""
    for tenant in tenants:
        added = connection.execute("INSERT INTO tenants VALUES (?, ?) ON CONFLICT DO NOTHING", (tenant, now))
        if added.rowcount == 0:
            continue
        connection.executemany(ZERO, of_tenant(tenant))
        connection.execute(
            "UPDATE series SET value = ? WHERE family = ? AND tenant = ? AND rank = ? AND line = ?",
            (now, *series(catalog.TENANT_CREATED, tenant)),
        )


def families_begun(connection: sqlite3.Connection, now: int) -> None:
    """Note of each family that is new to the store when it began."""
    present = {
        family.number
        for family in COUNTED
        if connection.execute("SELECT 1 FROM series WHERE family = ? LIMIT 1", (family.number,)).fetchone()
    }
    (first_at,) = connection.execute("SELECT min(created_at) FROM tenants").fetchone()
    rows = [(*line, at) for line, at in begun(present, first_at, now)]
    connection.executemany("INSERT INTO series VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", rows)


def completed(connection: sqlite3.Connection, tenants: Sequence[str]) -> None:
    """Give tenants that are known already the series at 0 which they lack."""
    for tenant in tenants:
        connection.executemany(ZERO, of_tenant(tenant))


def catalogue_noted(connection: sqlite3.Connection) -> None:
    """Note that every tenant has what the catalogue has."""
    connection.executemany(ZERO, of_no_tenant())
    connection.execute(
        "INSERT INTO meta VALUES ('catalogue', ?) ON CONFLICT DO UPDATE SET value = excluded.value",
        (fingerprint(),),
    )


def noted_probe(connection: sqlite3.Connection, now: int) -> None:
    """Write one row, so that the commit is a real one."""
    connection.execute(
        "INSERT INTO meta VALUES ('probed_at', ?) ON CONFLICT DO UPDATE SET value = excluded.value",
        (b"%d" % now,),
    )


def pruned(
    connection: sqlite3.Connection,
    tx: SqliteTransaction,
    now: int,
    limit: int,
    forgotten: Callable[[str, bytes], Sequence[Change]],
) -> int:
    """Forget up to `limit` events, findings and states each; `forgotten` says what a state's end changes."""
    tx.flush()  # what other works of the group keep for longer must not be forgotten here
    gone = connection.execute(
        "DELETE FROM events WHERE (created_at, tenant, event) IN"
        " (SELECT created_at, tenant, event FROM events WHERE created_at < ? LIMIT ?)",
        (now - EVENT_IDS_SECONDS, limit),
    ).rowcount
    gone += connection.execute(
        "DELETE FROM findings WHERE id IN (SELECT id FROM findings WHERE found_at < ? LIMIT ?)",
        (now - FINDING_SECONDS, limit),
    ).rowcount
    expired = connection.execute(
        "SELECT id, tenant, kind, state FROM ledger WHERE keep_until < ? LIMIT ?", (now, limit)
    ).fetchall()
    for row, tenant, kind, state in expired:
        connection.execute("DELETE FROM ledger WHERE id = ?", (row,))
        tx.change(tenant, forgotten(kind, state))
    return gone + len(expired)


def without(connection: sqlite3.Connection, tx: SqliteTransaction, marks: Sequence[MarkRow]) -> list[MarkRow]:
    """Forget these marks; return those that were there."""
    tx.flush()
    query = "DELETE FROM marks WHERE tenant = ? AND topic = ? AND at = ? AND key = ?"
    return [mark for mark in marks if connection.execute(query, mark).rowcount]
