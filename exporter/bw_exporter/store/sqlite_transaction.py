"""A transaction on SQLite. Series are gathered and written once at the end; everything else is written at once."""

from __future__ import annotations

import hmac
import sqlite3
from collections.abc import Sequence
from typing import Any

import orjson

from bw_exporter.catalog import STORE_COMMITS, Family
from bw_exporter.series import Add, Change, RaiseTo, Series, first_bucket, histogram, series, sum_rank
from bw_exporter.store.protocol import Finding, Pending

_PENDING = 'tenant, "check", key, subject, due_at, state'

_OBSERVE = (
    "UPDATE series SET value = value + CASE rank WHEN ? THEN ? ELSE ? END"
    " WHERE family = ? AND tenant = ? AND rank >= ?"
)
ZERO = "INSERT INTO series VALUES (?, ?, ?, ?, 0) ON CONFLICT DO NOTHING"
"""Make a Series known at 0; one that is known keeps its value."""


class SqliteTransaction:
    """See protocol.Transaction."""

    def __init__(self, connection: sqlite3.Connection, payer_key: bytes) -> None:
        """`connection` is inside BEGIN IMMEDIATE."""
        self._execute = connection.execute
        self._many = connection.executemany
        self._payer_key = payer_key
        self._added: dict[Series, int] = {}
        self._raised: dict[Series, int] = {}
        self._observed: dict[tuple[Family, str], list[int]] = {}

    def remember_event(self, created_at: int, tenant: str, event: str) -> bool:
        inserted = self._execute(
            "INSERT INTO events VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (created_at, tenant, event)
        )
        return inserted.rowcount == 1

    def knows_event(self, created_at: int, tenant: str, event: str) -> bool:
        key = (created_at, tenant, event)
        query = "SELECT 1 FROM events WHERE created_at = ? AND tenant = ? AND event = ?"
        return self._execute(query, key).fetchone() is not None

    def saw_event_since(self, tenant: str, since_at: int, besides: str) -> bool:
        query = "SELECT 1 FROM events WHERE created_at >= ? AND tenant = ? AND event <> ? LIMIT 1"
        return self._execute(query, (since_at, tenant, besides)).fetchone() is not None

    def load(self, tenant: str, kind: str, key: str) -> bytes | None:
        query = "SELECT state FROM ledger WHERE tenant = ? AND kind = ? AND key = ?"
        row = self._execute(query, (tenant, kind, key)).fetchone()
        return None if row is None else row[0]

    def save(self, tenant: str, kind: str, key: str, state: bytes, keep_until: int) -> None:
        self._execute(
            "INSERT INTO ledger VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE"
            " SET state = excluded.state, keep_until = excluded.keep_until",
            (tenant, kind, key, state, keep_until),
        )

    def mark(self, tenant: str, topic: str, at: int, key: str, keep_until: int) -> None:
        row = (tenant, topic, at, key, keep_until)
        self._execute("INSERT INTO marks VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", row)

    def marks(self, tenant: str, topic: str, from_at: int, to_at: int, limit: int) -> list[tuple[int, str]]:
        query = (
            "SELECT at, key FROM marks WHERE tenant = ? AND topic = ? AND at BETWEEN ? AND ?"
            " ORDER BY at DESC, key DESC LIMIT ?"
        )
        return self._execute(query, (tenant, topic, from_at, to_at, limit)).fetchall()[::-1]

    def wait(self, pending: Pending) -> None:
        self._execute(
            "INSERT INTO pending VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE"
            " SET subject = excluded.subject, due_at = excluded.due_at, state = excluded.state",
            (pending.tenant, pending.check, pending.key, pending.subject, pending.due_at, pending.state),
        )

    def waiting(self, tenant: str, check: str, subject: str) -> list[Pending]:
        query = (
            f'SELECT {_PENDING} FROM pending WHERE tenant = ? AND "check" = ? AND subject = ? ORDER BY key'  # noqa: S608 - a constant
        )
        return [Pending(*row) for row in self._execute(query, (tenant, check, subject))]

    def due(self, now: int, limit: int) -> list[Pending]:
        query = f"SELECT {_PENDING} FROM pending WHERE due_at <= ? ORDER BY due_at LIMIT ?"  # noqa: S608 - a constant
        return [Pending(*row) for row in self._execute(query, (now, limit))]

    def drop(self, pending: Pending) -> None:
        key = (pending.tenant, pending.check, pending.key)
        self._execute('DELETE FROM pending WHERE tenant = ? AND "check" = ? AND key = ?', key)

    def report(self, finding: Finding) -> None:
        self._execute(
            "INSERT INTO findings (found_at, tenant, kind, details) VALUES (?, ?, ?, ?)",
            (finding.found_at, finding.tenant, finding.kind, orjson.dumps(finding.details)),
        )

    def change(self, tenant: str, changes: Sequence[Change]) -> None:
        added, raised, observed = self._added, self._raised, self._observed
        for each in changes:
            if isinstance(each, Add):
                line = series(each.family, tenant, each.values)
                added[line] = added.get(line, 0) + each.amount
            elif isinstance(each, RaiseTo):
                line = series(each.family, tenant)
                raised[line] = max(raised.get(line, 0), each.value)
            else:
                observed.setdefault((each.family, tenant), []).append(each.value)

    def secret_topic(self, *parts: str) -> str:
        return hmac.digest(self._payer_key, "\0".join(parts).encode(), "sha256").hex()[:32]

    def flush(self) -> None:
        """Write the gathered series; called once, before the commit."""
        if self._added or self._observed:
            self._added[series(STORE_COMMITS, "")] = 1
        self._many(
            "INSERT INTO series VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET value = value + excluded.value",
            _rows(self._added),
        )
        self._many(
            "INSERT INTO series VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET value = max(value, excluded.value)",
            _rows(self._raised),
        )
        for (family, tenant), values in self._observed.items():
            self._observe(family, tenant, values)

    def _observe(self, family: Family, tenant: str, values: list[int]) -> None:
        """Raise the buckets from the first that holds a value: one range of the key, not a row each."""
        found: dict[int, list[int]] = {}
        for value in values:
            found.setdefault(first_bucket(family, value), []).append(value)
        for rank, held in found.items():
            row = (sum_rank(family), sum(held), len(held), family.number, tenant, rank)
            if self._execute(_OBSERVE, row).rowcount == 0:
                self._many(ZERO, histogram(family, tenant))
                self._execute(_OBSERVE, row)


def _rows(values: dict[Series, int]) -> list[tuple[Any, ...]]:
    """Rows in the order of the key, which keeps neighbours on one page."""
    return [(*line, value) for line, value in sorted(values.items())]
