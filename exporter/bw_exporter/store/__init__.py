"""The durable store behind every count: open it by URL."""

from __future__ import annotations

from bw_exporter.errors import StoreUnusableError
from bw_exporter.store.postgres_url import is_postgres
from bw_exporter.store.protocol import Finding, Outcome, Pending, PromptStore, Store, Transaction
from bw_exporter.store.sqlite import SqliteStore

__all__ = ["Finding", "Outcome", "Pending", "PromptStore", "Store", "Transaction", "open_store"]

_SQLITE = "sqlite:///"


def open_store(url: str) -> Store:
    """Open the store at `url`: sqlite:///relative/path, sqlite:////absolute/path or postgresql://user@host/database.

    Creates it, or brings its schema forward; several processes may do so at once. Raises StoreUnusableError.
    """
    if url.startswith(_SQLITE) and url != _SQLITE:
        return SqliteStore(url.removeprefix(_SQLITE))
    if is_postgres(url):
        return _postgres(url)
    scheme = url.partition(":")[0]
    raise StoreUnusableError(
        f"a store of kind {scheme!r} is not known; use sqlite:///relative/path or sqlite:////absolute/path,"
        " or postgresql://user@host/database"
    )


def _postgres(url: str) -> Store:
    try:
        # The driver is an extra, and takes a tenth of a second to import.
        from bw_exporter.store.postgres import PostgresStore  # noqa: PLC0415
    except ImportError as error:
        raise StoreUnusableError(
            f"PostgreSQL needs a driver that is not here ({error}): pip install 'billingwatch-exporter[postgres]'"
        ) from error
    return PostgresStore(url)
