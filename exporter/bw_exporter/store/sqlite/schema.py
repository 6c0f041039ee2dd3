"""The SQLite store's tables, as numbered migrations; a store of any older number is brought forward at opening."""

from __future__ import annotations

from bw_exporter.store.migration import Migration

MIGRATIONS = (
    Migration(
        1,
        "the first tables",
        (
            "CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
            "CREATE TABLE tenants (tenant TEXT PRIMARY KEY, created_at INTEGER NOT NULL) WITHOUT ROWID",
            # Events by creation, so that inserts land at the right edge and pruning is one range.
            "CREATE TABLE events (created_at INTEGER NOT NULL, tenant TEXT NOT NULL, event TEXT NOT NULL,"
            " PRIMARY KEY (created_at, tenant, event)) WITHOUT ROWID",
            # In the order of the exposition, so that a scrape is one scan of this key.
            "CREATE TABLE series (family INTEGER NOT NULL, tenant TEXT NOT NULL, rank INTEGER NOT NULL,"
            " line TEXT NOT NULL, value INTEGER NOT NULL,"
            " PRIMARY KEY (family, tenant, rank, line)) WITHOUT ROWID",
            # States are appended and found by a narrow index: a new object costs one page of its own, not three.
            "CREATE TABLE ledger (id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, key TEXT NOT NULL,"
            " kind TEXT NOT NULL, state BLOB NOT NULL, keep_until INTEGER NOT NULL, UNIQUE (tenant, key, kind))",
            "CREATE INDEX ledger_keep_until ON ledger (keep_until)",
            # Not indexed by keep_until, which would cost as much again: pruning walks the table in small steps.
            "CREATE TABLE marks (tenant TEXT NOT NULL, topic INTEGER NOT NULL, at INTEGER NOT NULL,"
            " key TEXT NOT NULL, keep_until INTEGER NOT NULL, PRIMARY KEY (tenant, topic, at, key)) WITHOUT ROWID",
            'CREATE TABLE pending (tenant TEXT NOT NULL, "check" TEXT NOT NULL, key TEXT NOT NULL,'
            " subject TEXT NOT NULL, due_at INTEGER NOT NULL, state BLOB NOT NULL,"
            ' PRIMARY KEY (tenant, "check", key)) WITHOUT ROWID',
            "CREATE INDEX pending_due_at ON pending (due_at)",
            'CREATE INDEX pending_subject ON pending (tenant, "check", subject)',
            "CREATE TABLE findings (id INTEGER PRIMARY KEY, found_at INTEGER NOT NULL, tenant TEXT NOT NULL,"
            " kind TEXT NOT NULL, details BLOB NOT NULL)",
            "CREATE INDEX findings_found_at ON findings (found_at)",
            "INSERT INTO meta VALUES ('payer_key', randomblob(32))",
        ),
    ),
)

LATEST = MIGRATIONS[-1].number

APPLIED = (
    "CREATE TABLE IF NOT EXISTS migrations"
    " (number INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at INTEGER NOT NULL)"
)
"""A log for people. Which migration was the last is in `user_version`, so that a store of any version has it."""

NOTE_APPLIED = "INSERT OR REPLACE INTO migrations VALUES (?, ?, CAST(strftime('%s', 'now') AS INTEGER))"
