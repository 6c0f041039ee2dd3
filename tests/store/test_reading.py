"""Whoever only reads a store changes nothing in it, and may read it where another user's exporter has it."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bw_exporter import cli
from bw_exporter.errors import BillingWatchError, StoreUnusableError
from bw_exporter.store import Finding, Store, open_reader, open_store
from bw_exporter.store.migration import Migration
from bw_exporter.store.move import migrate
from bw_exporter.store.sqlite import reader
from bw_exporter.store.sqlite.file import judging, opening
from bw_exporter.store.sqlite.schema import LATEST, MIGRATIONS

from .counts import NOW, add, as_nobody

if TYPE_CHECKING:
    from support.postgres import PostgresServer

FOUND = Finding(NOW, "shop", "duplicate_charge", {"charge": "ch_1"})


def reported(store: Store) -> None:
    store.register(["shop"], NOW)
    store.write(lambda tx: tx.report(FOUND))


def found(url: str) -> list[Finding]:
    with closing(open_reader(url)) as store:
        return store.findings(tenant=None, since_at=0, limit=9)


def files(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {file.name: (file.read_bytes(), file.stat().st_ctime_ns) for file in folder.iterdir()}


def test_a_store_that_nobody_has_open_is_read_without_a_trace(path: Path) -> None:
    with closing(open_store(f"sqlite:///{path}")) as store:
        reported(store)
    before = files(path.parent)
    assert found(f"sqlite:///{path}") == [FOUND]
    assert files(path.parent) == before


def test_what_a_running_exporter_has_only_in_its_log_is_read(url: str) -> None:
    with closing(open_store(url)) as store:
        reported(store)
        assert found(url) == [FOUND]
        store.write(add("shop"))


@pytest.fixture
def next_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """This version, with one migration more."""
    later = Migration(LATEST + 1, "one more table", ("CREATE TABLE later (id INTEGER)",))
    monkeypatch.setattr(opening, "MIGRATIONS", (*MIGRATIONS, later))
    for module in (judging, reader):
        monkeypatch.setattr(module, "LATEST", LATEST + 1)
    monkeypatch.setattr(reader.SqliteReader, "latest_schema", LATEST + 1)


def schema(path: Path) -> int:
    with closing(sqlite3.connect(path)) as store:
        version: int = store.execute("PRAGMA user_version").fetchone()[0]
        return version


def test_a_reader_of_a_newer_version_leaves_the_schema_of_a_store_in_use(
    sqlite: Store, path: Path, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    reported(sqlite)
    request.getfixturevalue("next_version")
    assert found(f"sqlite:///{path}") == [FOUND]
    assert cli.main(["findings", "--storage.url", f"sqlite:///{path}", "--since", "52w"]) == 0
    assert "ch_1" in capsys.readouterr().out
    assert schema(path) == LATEST


def test_a_move_that_is_refused_leaves_the_schemas_of_both_stores(
    path: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    old, filled, new = (f"sqlite:///{tmp_path}/{name}.db" for name in ("old", "filled", "new"))
    for url in (old, filled):
        with closing(open_store(url)) as store:
            reported(store)
    request.getfixturevalue("next_version")
    with pytest.raises(BillingWatchError, match=rf"has schema {LATEST}.*start `bw-exporter serve` of this"):
        migrate(old, new)
    assert not (tmp_path / "new.db").exists()
    open_store(f"sqlite:///{path}").close()
    with pytest.raises(BillingWatchError, match="is not empty"):
        migrate(f"sqlite:///{path}", filled)
    assert schema(tmp_path / "old.db") == schema(tmp_path / "filled.db") == LATEST


def test_what_brought_a_store_forward_is_written_into_it(path: Path, request: pytest.FixtureRequest) -> None:
    open_store(f"sqlite:///{path}").close()
    request.getfixturevalue("next_version")
    open_store(f"sqlite:///{path}").close()
    with closing(sqlite3.connect(path)) as store:
        applied = store.execute("SELECT number, name, applied_at > 1795000000 FROM migrations").fetchall()
    assert applied[-1][:2] == (LATEST + 1, "one more table")
    assert [number for number, *_ in applied] == [*range(1, LATEST + 2)]
    assert schema(path) == LATEST + 1


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(StoreUnusableError, match=r"there is no store .*missing\.db; give the --storage\.url"):
        open_reader(f"sqlite:///{tmp_path}/missing.db")
    assert not list(tmp_path.iterdir())


def test_a_postgresql_without_a_store_is_left_empty(postgres: PostgresServer) -> None:
    url = postgres.new_store()
    with pytest.raises(StoreUnusableError, match=r"there is no store .*; give the --storage\.url"):
        open_reader(url)
    open_store(url).close()
    open_reader(url).close()


@pytest.fixture
def roots() -> Iterator[Path]:
    """A folder that others may only read."""
    if os.geteuid() != 0:
        pytest.skip("only root can be another user too")
    with tempfile.TemporaryDirectory(prefix="billing-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def readable_by_all(folder: Path) -> None:
    for file in folder.iterdir():
        file.chmod(0o644)


def test_another_users_store_is_read_while_its_exporter_runs_and_when_it_has_stopped(roots: Path) -> None:
    url = f"sqlite:///{roots}/billing.db"

    def promise(_folder: Path) -> None:
        assert found(url) == [FOUND]

    with closing(open_store(url)) as store:
        reported(store)
        readable_by_all(roots)
        as_nobody(promise, roots)
    before = files(roots)
    as_nobody(promise, roots)
    assert files(roots) == before


def test_another_users_store_that_may_not_be_read_says_which_file_and_what_to_do(roots: Path) -> None:
    url = f"sqlite:///{roots}/billing.db"

    def promise(_folder: Path) -> None:
        with pytest.raises(
            StoreUnusableError, match=r"-wal cannot be read by this user: become the one that"
        ):
            found(url)

    with closing(open_store(url)) as store:
        reported(store)
        readable_by_all(roots)
        Path(f"{roots}/billing.db-wal").chmod(0o600)
        as_nobody(promise, roots)
