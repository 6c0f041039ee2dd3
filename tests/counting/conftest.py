from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from bw_exporter.store import Store, open_store
from bw_exporter.store.tables import TABLES
from support.books import Books, tenant

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.postgres import PostgresServer


@pytest.fixture(scope="session")
def shared(postgres: PostgresServer) -> Iterator[tuple[Store, str]]:
    """One PostgreSQL store for all tests of this folder: making its tables takes longer than most of them."""
    url = postgres.new_store()
    with closing(open_store(url)) as opened:
        yield opened, url


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "sqlite":
        with closing(open_store(f"sqlite:///{tmp_path}/books.db")) as opened:
            yield opened
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    opened, url = request.getfixturevalue("shared")
    server.sql("; ".join(f"DELETE FROM bw_{table.name}" for table in TABLES), url)
    yield opened


@pytest.fixture
def books(store: Store) -> Books:
    return Books(store, tenant())
