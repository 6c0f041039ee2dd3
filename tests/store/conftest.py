from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bw_exporter.store import Store, open_store
from support.postgres import QUICK, NoPostgresError, PostgresServer, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def own() -> Iterator[PostgresServer]:
    """A server of one file alone, which may be killed."""
    try:
        with running(QUICK) as server:
            yield server
    except NoPostgresError as error:
        pytest.skip(f"no PostgreSQL: {error}")


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty store can be opened; one run of each promise per kind of database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store/billing.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_store()


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = open_store(url)
    yield opened
    opened.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a SQLite store can be opened."""
    return tmp_path / "billing.db"


@pytest.fixture
def sqlite(path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{path}")
    yield opened
    opened.close()
