"""What the URL of a store means: the one place that knows."""

from __future__ import annotations

from pathlib import Path

from bw_exporter.errors import StoreUnusableError
from bw_exporter.store.postgres.url import is_postgres

_SQLITE = "sqlite:///"
_KINDS = "sqlite:///relative/path, sqlite:////absolute/path or postgresql://user@host/database"


def sqlite_path(url: str) -> str | None:
    """Return the path of a SQLite store's file, None for the URL of a PostgreSQL store.

    >>> sqlite_path("sqlite:///data/billingwatch.db")
    'data/billingwatch.db'
    >>> sqlite_path("postgresql://billing@db/billing") is None
    True

    Raises StoreUnusableError for any other URL, and for one of a store in memory, which would forget at every
    restart what it has counted.
    """
    if is_postgres(url):
        return None
    path = url.removeprefix(_SQLITE)
    if path in (url, ""):
        raise StoreUnusableError(f"the storage URL names no store; write {_KINDS}")
    if Path(path).name == ":memory:" or path.startswith("file:"):
        raise StoreUnusableError(
            f"the store {path} would be no file: counts have to outlive a restart; write sqlite:///data/billingwatch.db"
        )
    if path.endswith("/") or Path(path).is_dir():
        raise StoreUnusableError(
            f"the store {path} is a folder: add the name of a file, as in {_SQLITE}{path.rstrip('/')}/billingwatch.db"
        )
    return path
