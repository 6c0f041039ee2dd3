"""The durable store behind every count: open it by URL.

`open_store` is for the exporter, which counts: it creates the store or brings its schema forward. `open_reader` is for
all that only looks, and changes nothing. `open_whole` is for moving a store.

Here belongs how counts and memory are kept and for how long; nothing of why something counts.
"""

from __future__ import annotations

from bw_exporter.errors import StoreUnusableError
from bw_exporter.store.protocol import (
    DeferredCheck,
    Finding,
    Outcome,
    PromptStore,
    Store,
    StoreReader,
    SubmittingStore,
    Transaction,
)
from bw_exporter.store.sqlite.reader import SqliteReader
from bw_exporter.store.sqlite.store import SqliteStore
from bw_exporter.store.sqlite.whole import SqliteWhole
from bw_exporter.store.tables import WholeStore
from bw_exporter.store.url import sqlite_path

__all__ = [
    "DeferredCheck",
    "Finding",
    "Outcome",
    "PromptStore",
    "Store",
    "StoreReader",
    "SubmittingStore",
    "Transaction",
    "WholeStore",
    "open_reader",
    "open_store",
    "open_whole",
]


def open_store(url: str) -> Store:
    """Open the store at `url`: sqlite:///relative/path, sqlite:////absolute/path or postgresql://user@host/database.

    Creates it, or brings its schema forward; several processes may do so at once. Raises StoreUnusableError.
    """
    path = sqlite_path(url)
    return _postgres(url, migrate=True) if path is None else SqliteStore(path)


def open_reader(url: str) -> StoreReader:
    """Open a store that is there already, only to read it; it may be in use, of another user, of an older schema.

    Writes nothing. Raises StoreUnusableError with the way out.
    """
    path = sqlite_path(url)
    return _postgres(url, migrate=False) if path is None else SqliteReader(path)


def open_whole(url: str) -> WholeStore:
    """Open a store that is there already, all of it in one transaction, to be moved from or to."""
    path = sqlite_path(url)
    if path is not None:
        return SqliteWhole(path)
    from bw_exporter.store.postgres.whole import PostgresWhole  # noqa: PLC0415 - see _postgres

    return PostgresWhole(url)


def _postgres(url: str, *, migrate: bool) -> Store:
    try:
        # The driver is an extra, and takes a tenth of a second to import.
        from bw_exporter.store.postgres.store import PostgresStore  # noqa: PLC0415
    except ImportError as error:
        raise StoreUnusableError(
            f"PostgreSQL needs a driver that is not here ({error}): pip install '.[postgres]'"
        ) from error
    return PostgresStore(url, migrate=migrate)
