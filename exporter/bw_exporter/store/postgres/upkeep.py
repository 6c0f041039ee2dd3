"""What a PostgreSQL store does beside counting: registering tenants, forgetting, and by whom."""

from __future__ import annotations

from collections.abc import Sequence

from bw_exporter.metrics import catalog
from bw_exporter.metrics.series import of_no_tenant, of_tenant, series
from bw_exporter.store.catalogue import COUNTED, begun, fingerprint
from bw_exporter.store.marks import MarkRow
from bw_exporter.store.postgres.arrays import arrays
from bw_exporter.store.postgres.connection import Connection
from bw_exporter.store.retention import EVENT_IDS_SECONDS, FINDING_SECONDS

LEASE_SECONDS = 150
"""How long a replica keeps house before another may; it prunes each minute and so renews the lease in time."""

_REGISTER = """
INSERT INTO bw_tenants SELECT unnest(%s::text[]), %s ON CONFLICT DO NOTHING RETURNING tenant
"""
_PRESENT = """
SELECT number FROM unnest(%s::bigint[]) AS wanted (number)
WHERE EXISTS (SELECT 1 FROM bw_series WHERE family = number)
"""
_SERIES_AT = """
INSERT INTO bw_series SELECT * FROM unnest(%s::bigint[], %s::text[], %s::bigint[], %s::text[], %s::bigint[])
ON CONFLICT DO NOTHING
"""
_SERIES_TO = """
INSERT INTO bw_series SELECT * FROM unnest(%s::bigint[], %s::text[], %s::bigint[], %s::text[], %s::bigint[])
ON CONFLICT (family, tenant, rank, line) DO UPDATE SET value = excluded.value
"""
_OLD_EVENTS = """
DELETE FROM bw_events WHERE (created_at, tenant, event) IN
    (SELECT created_at, tenant, event FROM bw_events WHERE created_at < %s ORDER BY created_at LIMIT %s)
"""
_OLD_FINDINGS = """
DELETE FROM bw_findings WHERE id IN
    (SELECT id FROM bw_findings WHERE found_at < %s ORDER BY found_at LIMIT %s)
"""
_OLD_STATES = """
DELETE FROM bw_ledger WHERE (tenant, key, kind) IN
    (SELECT tenant, key, kind FROM bw_ledger WHERE keep_until < %s ORDER BY keep_until LIMIT %s)
RETURNING tenant, kind, state
"""
_MARKS = """
DELETE FROM bw_marks
USING unnest(%s::text[], %s::bigint[], %s::bigint[], %s::text[]) AS gone (tenant, topic, at, key)
WHERE bw_marks.tenant = gone.tenant AND bw_marks.topic = gone.topic AND bw_marks.at = gone.at
    AND bw_marks.key = gone.key
RETURNING bw_marks.tenant, bw_marks.topic, bw_marks.at, bw_marks.key
"""
# By the database's clock, which all replicas share.
_NOW = "extract(epoch FROM clock_timestamp())::bigint"
_LEASE = f"""
INSERT INTO bw_leases VALUES ('house', %s, {_NOW} + {LEASE_SECONDS})
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until_at = excluded.until_at
WHERE bw_leases.holder = excluded.holder OR bw_leases.until_at < {_NOW}
"""  # noqa: S608 - constants
_RELEASE = "DELETE FROM bw_leases WHERE name = 'house' AND holder = %s"


SIZE = """
SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class
WHERE relkind = 'r' AND relname LIKE 'bw\\_%%'
    AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'bw_meta'::regclass)
"""
"""What the tables take on disk, with their indexes."""


def registered(connection: Connection, tenants: Sequence[str], now: int) -> None:
    """Give tenants their series at 0, so that each first increment is one from 0; an old one keeps its counts."""
    new: list[str] = []
    if tenants:
        (names,) = arrays("t", [(tenant,) for tenant in tenants])
        new = [row[0] for row in connection.execute(_REGISTER, (names, now)).fetchall()]
    completed(connection, new)
    created = [(*series(catalog.TENANT_CREATED, tenant), now) for tenant in sorted(new)]
    connection.execute(_SERIES_TO, arrays("ititi", created))


def families_begun(connection: Connection, now: int) -> None:
    """Note of each family that is new to the store when it began."""
    numbers = [family.number for family in COUNTED]
    present = {number for (number,) in connection.execute(_PRESENT, (numbers,)).fetchall()}
    ((first_at,),) = connection.execute("SELECT min(created_at) FROM bw_tenants").fetchall()
    rows = sorted((*line, at) for line, at in begun(present, first_at, now))
    connection.execute(_SERIES_AT, arrays("ititi", rows))


def completed(connection: Connection, tenants: Sequence[str]) -> None:
    """Give tenants that are known already the series at 0 which they lack."""
    lines = sorted(line for tenant in tenants for line in of_tenant(tenant))
    connection.execute(_SERIES_AT, arrays("ititi", [(*line, 0) for line in lines]))


def catalogue_noted(connection: Connection) -> None:
    """Note that every tenant has what the catalogue has."""
    connection.execute(_SERIES_AT, arrays("ititi", [(*line, 0) for line in sorted(of_no_tenant())]))
    connection.execute(
        "INSERT INTO bw_meta VALUES ('catalogue', %s)"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (fingerprint(),),
    )


def noted_probe(connection: Connection, now: int) -> None:
    """Write one row, so that the commit is a real one."""
    connection.execute(
        "INSERT INTO bw_meta VALUES ('probed_at', %s)"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (b"%d" % now,),
    )


def leased(connection: Connection, holder: bytes) -> bool:
    """Take the lease or renew it; False while another replica has it."""
    return connection.execute(_LEASE, (holder,)).rowcount == 1


def released(connection: Connection, holder: bytes) -> None:
    """Give the lease back, so that another replica need not wait for its end."""
    connection.execute(_RELEASE, (holder,))


def pruned(connection: Connection, now: int, limit: int) -> tuple[int, list[tuple[str, str, bytes]]]:
    """Forget up to `limit` events, findings and states each; return how many went, and the states."""
    events = connection.execute(_OLD_EVENTS, (now - EVENT_IDS_SECONDS, limit))
    findings = connection.execute(_OLD_FINDINGS, (now - FINDING_SECONDS, limit))
    states = connection.execute(_OLD_STATES, (now, limit), binary=True)
    ended: list[tuple[str, str, bytes]] = states.fetchall()
    return events.rowcount + findings.rowcount + len(ended), ended


def without(connection: Connection, marks: Sequence[MarkRow]) -> list[MarkRow]:
    """Forget these marks; return those that were there."""
    return connection.execute(_MARKS, arrays("tiit", marks)).fetchall()
