"""What a PostgreSQL transaction reads: asked for in one round trip for all works of a group, where it was foreseen.

A work cannot say beforehand what it will read. So it is rehearsed: run once, outside of any transaction, on tables
that are empty and note what they are asked. What was noted is fetched at once when the transaction has begun, and
only what depends on what was found (the charges beside a suspected one) still costs a round trip of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from bw_exporter.store.postgres.arrays import arrays
from bw_exporter.store.postgres.connection import Connection
from bw_exporter.store.protocol import DeferredCheck, Mark

MARKS_PER_READ = 64
"""Marks of one topic read at once; only a burst of equal charges has more inside a window."""

EventKey = tuple[int, str, str]
"""When it was created, its tenant and its id."""

Span = tuple[str, int, int, int]
"""A tenant's topic, and the first and last second of its marks."""

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
_SINCE = "SELECT 1 FROM bw_events WHERE created_at >= %s AND tenant = %s AND event <> %s LIMIT 1"
_WITHIN = "SELECT at, key FROM bw_marks WHERE tenant = %s AND topic = %s AND at BETWEEN %s AND %s"
_BEFORE = f"{_WITHIN} AND (at, key) < (%s, %s) ORDER BY at DESC, key DESC LIMIT %s"
_AFTER = f"{_WITHIN} AND (at, key) > (%s, %s) ORDER BY at, key LIMIT %s"


@dataclass(frozen=True, slots=True)
class Asked:
    """What works were seen to read; each a set in the order of asking."""

    events: dict[EventKey, None] = field(default_factory=dict)
    states: dict[tuple[str, str], None] = field(default_factory=dict)
    spans: dict[Span, None] = field(default_factory=dict)
    subjects: dict[tuple[str, str, str], None] = field(default_factory=dict)


class Reads(Protocol):
    """The tables as a transaction finds them, without what it has gathered itself."""

    def knows(self, event: EventKey) -> bool:
        """Tell whether an event's id is there."""

    def seen_since(self, tenant: str, since_at: int, besides: str) -> bool:
        """Tell whether a tenant's event of `since_at` or later is there, other than `besides`."""

    def states(self, tenant: str, key: str) -> dict[str, bytes]:
        """Return the states of all kinds of one object."""

    def marks(self, span: Span, mark: Mark, limit: int) -> list[Mark]:
        """Return marks of a span: all, or at least the `limit` nearest to `mark` on either side."""

    def deferred(self, tenant: str, check: str, subject: str) -> list[DeferredCheck]:
        """Return the deferred checks of a subject."""

    def deferred_check(self, tenant: str, check: str, key: str) -> DeferredCheck | None:
        """Return one deferred check."""

    def due(self, now: int, limit: int) -> list[DeferredCheck]:
        """Return deferred checks whose time has come, the oldest first."""

    def forget(self) -> None:
        """Read again what is asked from now on: the tables were written."""


class Rehearsal:
    """Empty tables that note what they are asked."""

    def __init__(self) -> None:
        self.asked = Asked()

    def knows(self, event: EventKey) -> bool:
        self.asked.events[event] = None
        return False

    def seen_since(self, _tenant: str, _since_at: int, _besides: str) -> bool:
        return False

    def states(self, tenant: str, key: str) -> dict[str, bytes]:
        self.asked.states[tenant, key] = None
        return {}

    def marks(self, span: Span, _mark: Mark, _limit: int) -> list[Mark]:
        self.asked.spans[span] = None
        return []

    def deferred(self, tenant: str, check: str, subject: str) -> list[DeferredCheck]:
        self.asked.subjects[tenant, check, subject] = None
        return []

    def deferred_check(self, _tenant: str, _check: str, _key: str) -> DeferredCheck | None:
        return None

    def due(self, _now: int, _limit: int) -> list[DeferredCheck]:
        return []

    def forget(self) -> None:
        """Forget nothing: there is nothing."""


class Tables:
    """The tables inside a transaction that holds the writers' lock: what was read once stays true until its end."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._events: dict[EventKey, bool] = {}
        self._states: dict[tuple[str, str], dict[str, bytes]] = {}
        self._marks: dict[Span, list[Mark]] = {}
        self._deferred: dict[tuple[str, str, str], list[DeferredCheck]] = {}
        self._deferred_checks: dict[tuple[str, str, str], DeferredCheck] = {}

    def fetch(self, asked: Iterable[Asked]) -> None:
        """Read what all of these asked for, in one round trip. Raises psycopg.Error, and ValueError for no text."""
        everything = list(asked)
        events = list({key: None for each in everything for key in each.events})
        states = list({key: None for each in everything for key in each.states})
        spans = list({key: None for each in everything for key in each.spans})
        subjects = list({key: None for each in everything for key in each.subjects})
        wanted: tuple[list[tuple[Any, ...]], ...] = (events, states, spans, subjects)
        if not any(wanted):
            return
        parameters = [
            column for kinds, keys in zip(_COLUMNS, wanted, strict=True) for column in arrays(kinds, keys)
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

    def knows(self, event: EventKey) -> bool:
        if event not in self._events:
            self.fetch([Asked(events={event: None})])
        return self._events[event]

    def seen_since(self, tenant: str, since_at: int, besides: str) -> bool:
        return self._connection.execute(_SINCE, (since_at, tenant, besides)).fetchone() is not None

    def states(self, tenant: str, key: str) -> dict[str, bytes]:
        if (tenant, key) not in self._states:
            self.fetch([Asked(states={(tenant, key): None})])
        return self._states[tenant, key]

    def marks(self, span: Span, mark: Mark, limit: int) -> list[Mark]:
        if span not in self._marks:
            self.fetch([Asked(spans={span: None})])
        found = self._marks[span]
        if len(found) < MARKS_PER_READ:
            return found
        row = (*span, *mark, limit)
        return (
            self._connection.execute(_BEFORE, row).fetchall()
            + self._connection.execute(_AFTER, row).fetchall()
        )

    def deferred(self, tenant: str, check: str, subject: str) -> list[DeferredCheck]:
        if (tenant, check, subject) not in self._deferred:
            self.fetch([Asked(subjects={(tenant, check, subject): None})])
        return self._deferred[tenant, check, subject]

    def deferred_check(self, tenant: str, check: str, key: str) -> DeferredCheck | None:
        if (tenant, check, key) in self._deferred_checks:
            return self._deferred_checks[tenant, check, key]
        found = self._noted(self._connection.execute(_DEFERRED_CHECK, (tenant, check, key)).fetchall())
        return found[0] if found else None

    def due(self, now: int, limit: int) -> list[DeferredCheck]:
        return self._noted(self._connection.execute(_DUE, (now, limit)).fetchall())

    def forget(self) -> None:
        for read in (self._events, self._states, self._marks, self._deferred, self._deferred_checks):
            read.clear()

    def _noted(self, rows: list[tuple[Any, ...]]) -> list[DeferredCheck]:
        found = [DeferredCheck(*row) for row in rows]
        self._deferred_checks.update({(each.tenant, each.check, each.key): each for each in found})
        return found
