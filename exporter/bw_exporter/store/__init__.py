"""The durable store behind every count: open it by URL."""

from __future__ import annotations

from bw_exporter.errors import StoreUnusableError
from bw_exporter.store.postgres.url import is_postgres
from bw_exporter.store.protocol import (
    DeferredCheck,
    Finding,
    Outcome,
    PromptStore,
    Store,
    SubmittingStore,
    Transaction,
)
from bw_exporter.store.sqlite.store import SqliteStore
from bw_exporter.store.sqlite.whole import SqliteWhole
from bw_exporter.store.tables import WholeStore

__all__ = [
    "DeferredCheck",
    "Finding",
    "Outcome",
    "PromptStore",
    "Store",
    "SubmittingStore",
    "Transaction",
    "WholeStore",
    "open_store",
    "open_whole",
]

_SQLITE = "sqlite:///"


def open_store(url: str) -> Store:
    """Open the store at `url`: sqlite:///relative/path, sqlite:////absolute/path or postgresql://user@host/database.

    Creates it, or brings its schema forward; several processes may do so at once. Raises StoreUnusableError.
    """
    if url.startswith(_SQLITE) and url != _SQLITE:
        return SqliteStore(url.removeprefix(_SQLITE))
    if is_postgres(url):
        return _postgres(url)
    raise StoreUnusableError(
        "the storage URL names no store; write sqlite:///relative/path, sqlite:////absolute/path or"
        " postgresql://user@host/database"
    )


def open_whole(url: str) -> WholeStore:
    """Open a store that is there already, all of it in one transaction, to be moved from or to."""
    if is_postgres(url):
        from bw_exporter.store.postgres.whole import PostgresWhole  # noqa: PLC0415 - as above

        return PostgresWhole(url)
    return SqliteWhole(url.removeprefix(_SQLITE))


def _postgres(url: str) -> Store:
    try:
        # The driver is an extra, and takes a tenth of a second to import.
        from bw_exporter.store.postgres.store import PostgresStore  # noqa: PLC0415
    except ImportError as error:
        raise StoreUnusableError(
            f"PostgreSQL needs a driver that is not here ({error}): pip install '.[postgres]'"
        ) from error
    return PostgresStore(url)
