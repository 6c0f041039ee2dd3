"""A transaction on SQLite: what works change is gathered, and written once in the order of the keys."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import orjson

from bw_exporter.metrics.catalog import STORE_COMMITS
from bw_exporter.metrics.family import Family
from bw_exporter.metrics.series import Add, Change, RaiseTo, Series, first_bucket, histogram, series, sum_rank
from bw_exporter.store.marks import nearest, secret_topic
from bw_exporter.store.protocol import DeferredCheck, Finding, Mark
from bw_exporter.store.retention import to_the_full_hour

_DEFERRED = 'SELECT tenant, "check", key, subject, due_at, state FROM pending'

_OBSERVE = (
    "UPDATE series SET value = value + CASE rank WHEN ? THEN ? ELSE ? END"
    " WHERE family = ? AND tenant = ? AND rank >= ?"
)
ZERO = "INSERT INTO series VALUES (?, ?, ?, ?, 0) ON CONFLICT DO NOTHING"
"""Make a Series known at 0; one that is known keeps its value."""

_SINCE = """
WITH RECURSIVE seconds (second) AS (
    SELECT min(created_at) FROM events WHERE created_at >= ?
    UNION ALL
    SELECT (SELECT min(created_at) FROM events WHERE created_at > second) FROM seconds WHERE second IS NOT NULL
)
SELECT 1 FROM seconds
WHERE EXISTS (SELECT 1 FROM events WHERE created_at = second AND tenant = ? AND event <> ?) LIMIT 1
"""
"""From second to second: the key begins with the moment, and in a second there may be thousands of others' events."""

_WITHIN = "SELECT at, key FROM marks WHERE tenant = ? AND topic = ? AND at BETWEEN ? AND ?"

_MARKS_PER_READ = 64
"""Marks of one topic read at once; only a burst of equal charges has more inside a window."""


class SqliteTransaction:
    """See protocol.Transaction. Works of one group see each other's changes through what is gathered here."""

    def __init__(self, connection: sqlite3.Connection, payer_key: bytes) -> None:
        """`connection` is inside BEGIN IMMEDIATE."""
        self._execute = connection.execute
        self._many = connection.executemany
        self._payer_key = payer_key
        self._added: dict[Series, int] = {}
        self._raised: dict[Series, int] = {}
        self._observed: dict[tuple[Family, str], list[int]] = {}
        self._states: dict[tuple[str, str], dict[str, bytes]] = {}
        self._saved: dict[tuple[str, str, str], tuple[bytes, int]] = {}
        self._marked: dict[tuple[str, int], dict[Mark, int]] = {}

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
        return self._execute(_SINCE, (since_at, tenant, besides)).fetchone() is not None

    def load(self, tenant: str, kind: str, key: str) -> bytes | None:
        states = self._states.get((tenant, key))
        if states is None:
            # All kinds of one object at once: an event asks for most of them.
            query = "SELECT kind, state FROM ledger WHERE tenant = ? AND key = ?"
            states = self._states[tenant, key] = dict(self._execute(query, (tenant, key)).fetchall())
        return states.get(kind)

    def save(self, tenant: str, kind: str, key: str, state: bytes, keep_until: int) -> None:
        if (tenant, key) not in self._states:
            self.load(tenant, kind, key)
        self._states[tenant, key][kind] = state
        self._saved[tenant, key, kind] = (state, to_the_full_hour(keep_until))

    def mark(self, tenant: str, topic: int, mark: Mark, keep_until: int) -> None:
        self._marked.setdefault((tenant, topic), {})[mark] = keep_until

    def marks_around(
        self, tenant: str, topic: int, mark: Mark, within_seconds: int, limit: int
    ) -> tuple[list[Mark], list[Mark]]:
        at, _ = mark
        bounds = (tenant, topic, at - within_seconds, at + within_seconds)
        found = self._execute(f"{_WITHIN} ORDER BY at, key LIMIT ?", (*bounds, _MARKS_PER_READ)).fetchall()
        if len(found) == _MARKS_PER_READ:
            found = self._nearest(bounds, mark, limit)
        gathered = self._marked.get((tenant, topic), {})
        found += [other for other in gathered if abs(other[0] - at) <= within_seconds]
        return nearest(set(found), mark, limit)

    def defer(self, deferred: DeferredCheck) -> None:
        self._execute(
            "INSERT INTO pending VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE"
            " SET subject = excluded.subject, due_at = excluded.due_at, state = excluded.state",
            (
                deferred.tenant,
                deferred.check,
                deferred.key,
                deferred.subject,
                deferred.due_at,
                deferred.state,
            ),
        )

    def deferred(self, tenant: str, check: str, subject: str) -> list[DeferredCheck]:
        # SQLite would rather search by the first two columns of the key, and so read every deferred check of a tenant.
        where = 'INDEXED BY pending_subject WHERE tenant = ? AND "check" = ? AND subject = ? ORDER BY key'
        query = f"{_DEFERRED} {where}"
        return [DeferredCheck(*row) for row in self._execute(query, (tenant, check, subject))]

    def due(self, now: int, limit: int) -> list[DeferredCheck]:
        query = f"{_DEFERRED} WHERE due_at <= ? ORDER BY due_at LIMIT ?"
        return [DeferredCheck(*row) for row in self._execute(query, (now, limit))]

    def drop(self, deferred: DeferredCheck) -> bool:
        key = (deferred.tenant, deferred.check, deferred.key, deferred.due_at)
        query = 'DELETE FROM pending WHERE tenant = ? AND "check" = ? AND key = ? AND due_at = ?'
        return self._execute(query, key).rowcount == 1

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

    def secret_topic(self, *parts: str) -> int:
        return secret_topic(self._payer_key, parts)

    def flush(self) -> None:
        """Write what was gathered; what is read afterwards is read from the tables."""
        if self._added or self._observed:
            self._added[series(STORE_COMMITS, "")] = 1
        self._many(
            "INSERT INTO ledger (tenant, key, kind, state, keep_until) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET state = excluded.state, keep_until = excluded.keep_until",
            [(*object_, *saved) for object_, saved in sorted(self._saved.items())],
        )
        self._many(
            "INSERT INTO marks VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            sorted(
                (tenant, topic, at, key, keep_until)
                for (tenant, topic), marks in self._marked.items()
                for (at, key), keep_until in marks.items()
            ),
        )
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
        for gathered in (self._added, self._raised, self._observed, self._states, self._saved, self._marked):
            gathered.clear()

    def _nearest(self, bounds: tuple[Any, ...], mark: Mark, limit: int) -> list[Mark]:
        before = f"{_WITHIN} AND (at, key) < (?, ?) ORDER BY at DESC, key DESC LIMIT ?"
        after = f"{_WITHIN} AND (at, key) > (?, ?) ORDER BY at, key LIMIT ?"
        row = (*bounds, *mark, limit)
        return self._execute(before, row).fetchall() + self._execute(after, row).fetchall()

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
