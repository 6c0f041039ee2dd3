"""What a PostgreSQL transaction writes: one statement a table, its rows in the order of the key."""

from __future__ import annotations

from typing import Any, LiteralString

import orjson
import psycopg

from bw_exporter.store.postgres.arrays import arrays
from bw_exporter.store.postgres.connection import Connection
from bw_exporter.store.postgres.transaction import Gathered

# An id that is there already breaks the transaction off, so that nothing could count twice even without the lock.
_EVENTS = "INSERT INTO bw_events SELECT * FROM unnest(%s::bigint[], %s::text[], %s::text[])"
_STATES = """
INSERT INTO bw_ledger (tenant, key, kind, state, keep_until)
SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::bytea[], %s::bigint[])
ON CONFLICT (tenant, key, kind) DO UPDATE SET state = excluded.state, keep_until = excluded.keep_until
"""
_MARKS = """
INSERT INTO bw_marks SELECT * FROM unnest(%s::text[], %s::bigint[], %s::bigint[], %s::text[], %s::bigint[])
ON CONFLICT DO NOTHING
"""
_DROPPED = """
DELETE FROM bw_pending USING unnest(%s::text[], %s::text[], %s::text[]) AS gone (tenant, "check", key)
WHERE bw_pending.tenant = gone.tenant AND bw_pending."check" = gone."check" AND bw_pending.key = gone.key
"""
_DEFERRED = """
INSERT INTO bw_pending
SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::bytea[])
ON CONFLICT (tenant, "check", key)
DO UPDATE SET subject = excluded.subject, due_at = excluded.due_at, state = excluded.state
"""
_FINDINGS = """
INSERT INTO bw_findings
SELECT (SELECT coalesce(max(id), 0) FROM bw_findings) + number, found_at, tenant, kind, details
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::bytea[])
    WITH ORDINALITY AS found (found_at, tenant, kind, details, number)
"""
_SERIES = """
INSERT INTO bw_series SELECT * FROM unnest(%s::bigint[], %s::text[], %s::bigint[], %s::text[], %s::bigint[])
ON CONFLICT (family, tenant, rank, line) DO UPDATE SET value = bw_series.value + excluded.value
WHERE excluded.value <> 0
"""
_RAISED = """
INSERT INTO bw_series SELECT * FROM unnest(%s::bigint[], %s::text[], %s::bigint[], %s::text[], %s::bigint[])
ON CONFLICT (family, tenant, rank, line) DO UPDATE SET value = excluded.value
WHERE excluded.value > bw_series.value
"""

_WAITS_FOR_STANDBYS = "SyncRepWaitForLSN"
"""The server's function that warns when it has not waited; what it says is in the server's language."""

Statement = tuple[LiteralString, tuple[str, ...]]


def statements(gathered: Gathered) -> list[Statement]:
    """Return the statements that write what was gathered, with their parameters."""
    dropped = sorted(key for key, deferred in gathered.deferred.items() if deferred is None)
    deferred = sorted(
        ((*key, each.subject, each.due_at, each.state) for key, each in gathered.deferred.items() if each),
        key=lambda row: row[:3],
    )
    marks = sorted(
        (tenant, topic, at, key, keep_until)
        for (tenant, topic), marked in gathered.marks.items()
        for (at, key), keep_until in marked.items()
    )
    findings = [
        (each.found_at, each.tenant, each.kind, orjson.dumps(each.details)) for each in gathered.findings
    ]
    states = [(*key, *saved) for key, saved in sorted(gathered.states.items(), key=lambda row: row[0])]
    rows: list[tuple[LiteralString, str, list[tuple[Any, ...]]]] = [
        (_EVENTS, "itt", sorted(gathered.events)),
        (_STATES, "tttbi", states),
        (_MARKS, "tiiti", marks),
        (_DROPPED, "ttt", dropped),
        (_DEFERRED, "ttttib", deferred),
        (_FINDINGS, "ittb", findings),
        (_SERIES, "ititi", [(*line, value) for line, value in sorted(gathered.added.items())]),
        (_RAISED, "ititi", [(*line, value) for line, value in sorted(gathered.raised.items())]),
    ]
    return [(query, arrays(kinds, some)) for query, kinds, some in rows if some]


def write(connection: Connection, gathered: Gathered) -> None:
    """Write what was gathered, inside the transaction.

    Not in one round trip: after the driver's pipeline the server would not end a transaction in which nothing happens.
    """
    for query, parameters in statements(gathered):
        connection.execute(query, parameters)


def write_and_commit(connection: Connection, gathered: Gathered) -> None:
    """Write what was gathered and commit, in one round trip. Raises psycopg.Error.

    The time limit of statements is lifted for the commit: one that waits for a standby would be ended by it with
    a warning alone, as if the standby had it. So it is where somebody cancels it, and that is an error here.
    """
    warned_by: list[str | None] = []

    def note(said: psycopg.errors.Diagnostic) -> None:
        warned_by.append(said.source_function)

    connection.add_notice_handler(note)
    try:
        with connection.pipeline():
            for query, parameters in statements(gathered):
                connection.execute(query, parameters)
            connection.execute("SET LOCAL statement_timeout = 0")
            committed = connection.execute("COMMIT")
    finally:
        connection.remove_notice_handler(note)
    if _WAITS_FOR_STANDBYS in warned_by:
        raise psycopg.OperationalError("the wait for a synchronous standby was cancelled")
    if committed.statusmessage != "COMMIT":
        # A transaction that failed before is rolled back here, without an error.
        raise psycopg.OperationalError(f"the server answered {committed.statusmessage} to COMMIT")
