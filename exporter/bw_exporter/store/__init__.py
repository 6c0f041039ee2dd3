"""The durable store behind every count: open it by URL."""

from __future__ import annotations

from bw_exporter.errors import StoreUnusableError
from bw_exporter.store.protocol import Finding, Outcome, Pending, PromptStore, Store, Transaction
from bw_exporter.store.sqlite import SqliteStore

__all__ = ["Finding", "Outcome", "Pending", "PromptStore", "Store", "Transaction", "open_store"]

_SQLITE = "sqlite:///"


def open_store(url: str) -> Store:
    """Open the store at `url`: `sqlite:///relative/path` or `sqlite:////absolute/path`.

    Creates it, or brings its schema forward; several processes may do so at once. Raises StoreUnusableError.
    """
    if url.startswith(_SQLITE) and url != _SQLITE:
        return SqliteStore(url.removeprefix(_SQLITE))
    scheme = url.partition(":")[0]
    raise StoreUnusableError(
        f"a store of kind {scheme!r} is not known; use sqlite:///relative/path or sqlite:////absolute/path"
    )
