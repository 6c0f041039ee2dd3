"""What a SQLite store does beside counting: registering tenants, probing, pruning, evicting."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

from bw_exporter import catalog
from bw_exporter.effects import forgotten
from bw_exporter.retention import EVENT_IDS_SECONDS, FINDING_SECONDS
from bw_exporter.series import Add, Series, initial, series
from bw_exporter.store.protocol import Transaction
from bw_exporter.store.sqlite_transaction import ZERO

_PER_TENANT = tuple(family for family in catalog.FAMILIES if family.stored and family.per_tenant)
_EVICTED_AT_ONCE = 500

Mark = tuple[str, int, str]
"""Topic, moment and key of a mark."""


def registered(connection: sqlite3.Connection, tenants: Sequence[str], now: int) -> None:
    """Give tenants their series at 0, so that each first increment is one from 0; an old one keeps its counts."""
    connection.executemany(ZERO, _of_no_tenant())
    for tenant in tenants:
        added = connection.execute("INSERT INTO tenants VALUES (?, ?) ON CONFLICT DO NOTHING", (tenant, now))
        if added.rowcount == 0:
            continue
        connection.executemany(ZERO, [line for family in _PER_TENANT for line in initial(family, tenant)])
        connection.execute(
            "UPDATE series SET value = ? WHERE family = ? AND tenant = ? AND rank = ? AND line = ?",
            (now, *series(catalog.TENANT_CREATED, tenant)),
        )


def _of_no_tenant() -> list[Series]:
    return [
        series(catalog.STORE_COMMITS, ""),
        series(catalog.WEBHOOK_REQUESTS, "", (catalog.UNKNOWN_TENANT,)),
    ]


def noted_probe(connection: sqlite3.Connection, now: int) -> None:
    """Write one row, so that the commit is a real one."""
    connection.execute(
        "INSERT INTO meta VALUES ('probed_at', ?) ON CONFLICT DO UPDATE SET value = excluded.value",
        (b"%d" % now,),
    )


def pruned(connection: sqlite3.Connection, tx: Transaction, now: int, limit: int) -> int:
    """Forget up to `limit` rows of each kind, and take back what ended subscriptions counted."""
    gone = 0
    for query, before in (
        (
            "DELETE FROM events WHERE (created_at, tenant, event) IN"
            " (SELECT created_at, tenant, event FROM events WHERE created_at < ? LIMIT ?)",
            now - EVENT_IDS_SECONDS,
        ),
        (
            "DELETE FROM marks WHERE (tenant, topic, at, key) IN"
            " (SELECT tenant, topic, at, key FROM marks WHERE keep_until < ? LIMIT ?)",
            now,
        ),
        (
            "DELETE FROM findings WHERE id IN (SELECT id FROM findings WHERE found_at < ? LIMIT ?)",
            now - FINDING_SECONDS,
        ),
    ):
        gone += connection.execute(query, (before, limit)).rowcount
    expired = connection.execute(
        "SELECT tenant, kind, key, state FROM ledger WHERE keep_until < ? LIMIT ?", (now, limit)
    ).fetchall()
    for tenant, kind, key, state in expired:
        connection.execute(
            "DELETE FROM ledger WHERE tenant = ? AND kind = ? AND key = ?", (tenant, kind, key)
        )
        tx.change(tenant, forgotten(kind, state))
    return gone + len(expired)


def in_steps(marks: Sequence[Mark]) -> Iterator[list[Mark]]:
    """Cut marks sorted by charge into steps short enough for ingest to pass between, never through a charge."""
    step: list[Mark] = []
    for mark in marks:
        if len(step) >= _EVICTED_AT_ONCE and mark[2] != step[-1][2]:
            yield step
            step = []
        step.append(mark)
    if step:
        yield step


def evicted(connection: sqlite3.Connection, tx: Transaction, tenant: str, marks: Sequence[Mark]) -> int:
    """Forget these marks of a tenant, and count their charges as evicted."""
    query = "DELETE FROM marks WHERE tenant = ? AND topic = ? AND at = ? AND key = ?"
    gone = [mark for mark in marks if connection.execute(query, (tenant, *mark)).rowcount]
    charges = len({key for *_, key in gone})
    if charges:
        tx.change(tenant, (Add(catalog.DUPLICATE_SKIPPED, ("evicted",), charges),))
    return len(gone)
