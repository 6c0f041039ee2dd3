"""What a PostgreSQL transaction writes: one statement a table, its rows in the order of the key."""

from __future__ import annotations

from functools import cache
from itertools import accumulate
from typing import Any, LiteralString

import orjson
import psycopg

from bw_exporter.metrics.family import Family
from bw_exporter.metrics.series import first_bucket, histogram, sum_rank
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
# A histogram is changed as one range of the key, and made first where there is none: a row of amounts each, by rank.
_OBSERVED = """
WITH observed AS MATERIALIZED (
    SELECT family, tenant, amounts::bigint[]
    FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS each (family, tenant, amounts)
), missing AS MATERIALIZED (
    SELECT * FROM observed WHERE NOT EXISTS (
        SELECT FROM bw_series WHERE bw_series.family = observed.family AND bw_series.tenant = observed.tenant
    )
), made AS (
    INSERT INTO bw_series SELECT family, tenant, rank, head || tenant || tail, amounts[rank + 1]
    FROM missing
    JOIN unnest(%s::bigint[], %s::bigint[], %s::text[], %s::text[]) AS line (family, rank, head, tail) USING (family)
)
UPDATE bw_series SET value = value + amounts[rank + 1] FROM observed
WHERE bw_series.family = observed.family AND bw_series.tenant = observed.tenant AND amounts[rank + 1] <> 0
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
    written: list[Statement] = [(query, arrays(kinds, some)) for query, kinds, some in rows if some]
    if gathered.observed:
        written.append((_OBSERVED, _observations(gathered.observed)))
    return written


def _observations(observed: dict[tuple[Family, str], list[int]]) -> tuple[str, ...]:
    """Return the parameters of _OBSERVED: what was observed, and the lines of these histograms."""
    rows = sorted(
        (family.number, tenant, "{" + ",".join(map(str, _amounts(family, values))) + "}")
        for (family, tenant), values in observed.items()
    )
    families = sorted({family for family, _ in observed}, key=lambda family: family.number)
    return (*arrays("itt", rows), *arrays("iitt", [line for family in families for line in _lines(family)]))


def _amounts(family: Family, values: list[int]) -> list[int]:
    """Return by how much each series of a histogram grows, in the order of rank; buckets are cumulative."""
    buckets = [0] * sum_rank(family)
    for value in values:
        buckets[first_bucket(family, value)] += 1
    return [*accumulate(buckets), sum(values), len(values)]


@cache
def _lines(family: Family) -> list[tuple[int, int, str, str]]:
    """Return family, rank and line of each series of a histogram, the line cut where the tenant stands."""
    place = "\0"
    cut = [(line.family, line.rank, line.line.partition(place)) for line in histogram(family, place)]
    return [(number, rank, head, tail) for number, rank, (head, _, tail) in cut]


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
