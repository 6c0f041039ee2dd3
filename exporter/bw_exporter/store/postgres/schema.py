"""The PostgreSQL store's tables, as numbered migrations; a store of any older number is brought forward at opening.

Text, bytes and 64-bit integers only, compared byte by byte (COLLATE "C"), so that every order is SQLite's; no
serial columns and no extensions, which distributed databases of the same protocol give another meaning or refuse.
"""

from __future__ import annotations

from bw_exporter.store.migration import Migration

# The row `writer` is what every writing transaction locks first.
META = (
    'CREATE TABLE IF NOT EXISTS bw_meta (name text COLLATE "C" PRIMARY KEY, value bytea NOT NULL)',
    "INSERT INTO bw_meta VALUES ('schema', '0'), ('writer', '') ON CONFLICT DO NOTHING",
)
"""What there must be before a migration can be waited for."""

MIGRATIONS = (
    Migration(
        1,
        "the first tables",
        (
            'CREATE TABLE bw_tenants (tenant text COLLATE "C" PRIMARY KEY, created_at bigint NOT NULL)',
            'CREATE TABLE bw_events (created_at bigint NOT NULL, tenant text COLLATE "C" NOT NULL,'
            ' event text COLLATE "C" NOT NULL, PRIMARY KEY (created_at, tenant, event))',
            # Half of each page is left free, so that a changed count stays on its page and out of the index.
            'CREATE TABLE bw_series (family bigint NOT NULL, tenant text COLLATE "C" NOT NULL,'
            ' rank bigint NOT NULL, line text COLLATE "C" NOT NULL, value bigint NOT NULL,'
            " PRIMARY KEY (family, tenant, rank, line)) WITH (fillfactor = 50)",
            'CREATE TABLE bw_ledger (tenant text COLLATE "C" NOT NULL, key text COLLATE "C" NOT NULL,'
            ' kind text COLLATE "C" NOT NULL, state bytea NOT NULL, keep_until bigint NOT NULL,'
            " PRIMARY KEY (tenant, key, kind)) WITH (fillfactor = 80)",
            "CREATE INDEX bw_ledger_keep_until ON bw_ledger (keep_until)",
            'CREATE TABLE bw_marks (tenant text COLLATE "C" NOT NULL, topic bigint NOT NULL, at bigint NOT NULL,'
            ' key text COLLATE "C" NOT NULL, keep_until bigint NOT NULL, PRIMARY KEY (tenant, topic, at, key))',
            'CREATE TABLE bw_pending (tenant text COLLATE "C" NOT NULL, "check" text COLLATE "C" NOT NULL,'
            ' key text COLLATE "C" NOT NULL, subject text COLLATE "C" NOT NULL, due_at bigint NOT NULL,'
            ' state bytea NOT NULL, PRIMARY KEY (tenant, "check", key))',
            "CREATE INDEX bw_pending_due_at ON bw_pending (due_at)",
            'CREATE INDEX bw_pending_subject ON bw_pending (tenant, "check", subject)',
            "CREATE TABLE bw_findings (id bigint PRIMARY KEY, found_at bigint NOT NULL,"
            ' tenant text COLLATE "C" NOT NULL, kind text COLLATE "C" NOT NULL, details bytea NOT NULL)',
            "CREATE INDEX bw_findings_found_at ON bw_findings (found_at)",
            'CREATE TABLE bw_leases (name text COLLATE "C" PRIMARY KEY, holder bytea NOT NULL,'
            " until_at bigint NOT NULL)",
        ),
    ),
)

LATEST = MIGRATIONS[-1].number
