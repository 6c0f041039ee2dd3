"""What a PostgreSQL transaction reads: what its works declare, in one round trip for all works of a group.

A work knows its keys from its event (see store.declared). Only what depends on what was found, such as the charges
beside a suspected one, still costs a round trip of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from bw_exporter.store.declared import DeferredOf, EventId, StatesOf
from bw_exporter.store.postgres.arrays import arrays
from bw_exporter.store.postgres.connection import Connection
from bw_exporter.store.protocol import DeferredCheck, Mark

MARKS_PER_READ = 64
"""Marks of one topic read at once; only a burst of equal charges has more inside a window."""


class Span(NamedTuple):
    """A tenant's topic, and the first and last second of its marks."""

    tenant: str
    topic: int
    first_at: int
    last_at: int


TableRead = EventId | StatesOf | Span | DeferredOf
"""A declared read, its topic hashed."""

# One statement for all, since the driver's pipeline ends in a message that stops the server's clock for those who
# hold the lock and do nothing; which of the four a row answers is its first column.
_EVERYTHING = f"""
SELECT 0, number, NULL, NULL::bigint, NULL::bytea
FROM unnest(%s::bigint[], %s::text[], %s::text[])
    WITH ORDINALITY AS asked (created_at, tenant, event, number)
JOIN bw_events USING (created_at, tenant, event)
UNION ALL
SELECT 1, number, kind, NULL, state
FROM unnest(%s::text[], %s::text[]) WITH ORDINALITY AS asked (tenant, key, number)
JOIN bw_ledger USING (tenant, key)
UNION ALL
SELECT 2, number, key, at, NULL
FROM unnest(%s::text[], %s::bigint[], %s::bigint[], %s::bigint[])
    WITH ORDINALITY AS asked (tenant, topic, first, last, number)
CROSS JOIN LATERAL (
    SELECT at, key FROM bw_marks
    WHERE bw_marks.tenant = asked.tenant AND bw_marks.topic = asked.topic AND at BETWEEN first AND last
    ORDER BY at, key LIMIT {MARKS_PER_READ}
) AS near
UNION ALL
SELECT 3, number, key, due_at, state
FROM unnest(%s::text[], %s::text[], %s::text[]) WITH ORDINALITY AS asked (tenant, "check", subject, number)
JOIN bw_pending USING (tenant, "check", subject)
"""  # noqa: S608 - constants
_COLUMNS = ("itt", "tt", "tiii", "ttt")
_DEFERRED = 'tenant, "check", key, subject, due_at, state'
_DEFERRED_CHECK = f'SELECT {_DEFERRED} FROM bw_pending WHERE tenant = %s AND "check" = %s AND key = %s'  # noqa: S608
_DUE = f'SELECT {_DEFERRED} FROM bw_pending WHERE due_at <= %s ORDER BY due_at, tenant, "check", key LIMIT %s'  # noqa: S608
_SINCE = """
WITH RECURSIVE seconds (second) AS (
    SELECT min(created_at) FROM bw_events WHERE created_at >= %s
    UNION ALL
    SELECT (SELECT min(created_at) FROM bw_events WHERE created_at > second) FROM seconds WHERE second IS NOT NULL
)
SELECT 1 FROM seconds
WHERE EXISTS (SELECT 1 FROM bw_events WHERE created_at = second AND tenant = %s AND event <> %s) LIMIT 1
"""
"""From second to second: the key begins with the moment, and in a second there may be thousands of others' events."""

_WITHIN = "SELECT at, key FROM bw_marks WHERE tenant = %s AND topic = %s AND at BETWEEN %s AND %s"
_BEFORE = f"{_WITHIN} AND (at, key) < (%s, %s) ORDER BY at DESC, key DESC LIMIT %s"
_AFTER = f"{_WITHIN} AND (at, key) > (%s, %s) ORDER BY at, key LIMIT %s"


class Tables:
    """The tables inside a transaction that holds the writers' lock: what was read once stays true until its end."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._events: dict[EventId, bool] = {}
        self._states: dict[StatesOf, dict[str, bytes]] = {}
        self._marks: dict[Span, list[Mark]] = {}
        self._deferred: dict[DeferredOf, list[DeferredCheck]] = {}
        self._deferred_checks: dict[tuple[str, str, str], DeferredCheck] = {}

    def fetch(self, reads: Iterable[TableRead]) -> None:
        """Read all of these in one round trip. Raises psycopg.Error, and ValueError for no text."""
        wanted: dict[type, dict[Any, None]] = {EventId: {}, StatesOf: {}, Span: {}, DeferredOf: {}}
        for read in reads:
            wanted[type(read)][read] = None
        events, states, spans, subjects = keys = [list(each) for each in wanted.values()]
        if not any(keys):
            return
        parameters = [
            column for kinds, rows in zip(_COLUMNS, keys, strict=True) for column in arrays(kinds, rows)
        ]
        rows = self._connection.execute(_EVERYTHING, parameters, binary=True).fetchall()
        self._events.update(dict.fromkeys(events, False))
        self._states.update({key: {} for key in states})
        self._marks.update({span: [] for span in spans})
        self._deferred.update({subject: [] for subject in subjects})
        for which, place, text, number, state in rows:
            if which == 0:
                self._events[events[place - 1]] = True
            elif which == 1:
                self._states[states[place - 1]][text] = state
            elif which == 2:  # noqa: PLR2004 - see _EVERYTHING
                self._marks[spans[place - 1]].append((number, text))
            else:
                tenant, check, subject = subjects[place - 1]
                found = DeferredCheck(tenant, check, text, subject, number, state)
                self._deferred[subjects[place - 1]].append(found)
                self._deferred_checks[tenant, check, text] = found

    def knows(self, event: EventId) -> bool:
        """Tell whether an event's id is there."""
        if event not in self._events:
            self.fetch([event])
        return self._events[event]

    def seen_since(self, tenant: str, since_at: int, besides: str) -> bool:
        """Tell whether a tenant's event of `since_at` or later is there, other than `besides`."""
        return self._connection.execute(_SINCE, (since_at, tenant, besides)).fetchone() is not None

    def states(self, wanted: StatesOf) -> dict[str, bytes]:
        """Return the states of all kinds of one object."""
        if wanted not in self._states:
            self.fetch([wanted])
        return self._states[wanted]

    def marks(self, span: Span, mark: Mark, limit: int) -> list[Mark]:
        """Return marks of a span: all, or at least the `limit` nearest to `mark` on either side."""
        if span not in self._marks:
            self.fetch([span])
        found = self._marks[span]
        if len(found) < MARKS_PER_READ:
            return found
        row = (*span, *mark, limit)
        return (
            self._connection.execute(_BEFORE, row).fetchall()
            + self._connection.execute(_AFTER, row).fetchall()
        )

    def deferred(self, wanted: DeferredOf) -> list[DeferredCheck]:
        """Return the deferred checks of a subject."""
        if wanted not in self._deferred:
            self.fetch([wanted])
        return self._deferred[wanted]

    def deferred_check(self, tenant: str, check: str, key: str) -> DeferredCheck | None:
        """Return one deferred check."""
        if (tenant, check, key) in self._deferred_checks:
            return self._deferred_checks[tenant, check, key]
        found = self._noted(self._connection.execute(_DEFERRED_CHECK, (tenant, check, key)).fetchall())
        return found[0] if found else None

    def due(self, now: int, limit: int) -> list[DeferredCheck]:
        """Return deferred checks whose time has come, the oldest first."""
        return self._noted(self._connection.execute(_DUE, (now, limit)).fetchall())

    def forget(self) -> None:
        """Read again what is asked from now on: the tables were written."""
        for read in (self._events, self._states, self._marks, self._deferred, self._deferred_checks):
            read.clear()

    def _noted(self, rows: list[tuple[Any, ...]]) -> list[DeferredCheck]:
        found = [DeferredCheck(*row) for row in rows]
        self._deferred_checks.update({(each.tenant, each.check, each.key): each for each in found})
        return found
