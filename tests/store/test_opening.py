"""Opening a SQLite store: one schema for all, and a way out where it cannot be opened."""

from __future__ import annotations

import multiprocessing
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bw_exporter.errors import StoreUnusableError
from bw_exporter.store import Store, open_store
from bw_exporter.store.sqlite.schema import LATEST

from .counts import NOW, add, unprivileged, value

ROOT = Path(__file__).parents[2]

if TYPE_CHECKING:
    from multiprocessing.synchronize import Barrier


_THREE_KEPT = """
import os, signal, sys
from tests.store.counts import add
from bw_exporter.store import open_store
store = open_store(sys.argv[1])
for _ in range(3):
    store.write(add("shop"))
os.kill(os.getpid(), signal.SIGKILL)
"""


def kill_with_a_log(path: Path) -> None:
    """Leave a store as kill -9 does, with three counts in its log."""
    child = subprocess.run(
        [sys.executable, "-c", _THREE_KEPT, f"sqlite:///{path}"], check=False, timeout=60, cwd=ROOT
    )
    assert child.returncode == -signal.SIGKILL


def _open_and_count(url: str, together: Barrier) -> None:
    together.wait(60)
    store = open_store(url)
    store.register(["shop"], NOW)
    store.write(add("shop"))
    store.close()


def test_many_may_open_a_new_file_at_once(url: str) -> None:
    spawned = multiprocessing.get_context("spawn")
    together = spawned.Barrier(4)
    children = [spawned.Process(target=_open_and_count, args=(url, together)) for _ in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0] * 4
    store = open_store(url)
    assert value(store, "shop") == 4
    assert store.schema_version == LATEST
    store.close()


def test_the_folder_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    open_store("sqlite:///data/deep/billing.db").close()
    assert Path("data/deep/billing.db").exists()


def test_a_path_may_hold_what_a_url_may_not(tmp_path: Path) -> None:
    open_store(f"sqlite:///{tmp_path}/100% a?b#c ü.db").close()
    assert (tmp_path / "100% a?b#c ü.db").exists()


@pytest.mark.parametrize("url", ["mysql://host/db", "sqlite:///", "sqlite://x", "billing.db", ""])
def test_an_unknown_kind_of_store_is_refused_with_the_kinds_there_are(url: str) -> None:
    with pytest.raises(
        StoreUnusableError, match="write sqlite:///relative/path, sqlite:////absolute/path or postgresql://"
    ):
        open_store(url)


def test_a_newer_schema_is_refused_with_the_way_out_and_left_as_it_is(sqlite: Store, path: Path) -> None:
    sqlite.write(add("shop"))
    with closing(sqlite3.connect(path)) as later:
        later.execute(f"PRAGMA user_version = {LATEST + 1}")
    with pytest.raises(
        StoreUnusableError, match=f"has schema {LATEST + 1}, this version knows {LATEST}: upgrade"
    ):
        open_store(f"sqlite:///{path}")
    with closing(sqlite3.connect(path)) as found:
        assert found.execute("PRAGMA user_version").fetchone() == (LATEST + 1,)


@pytest.mark.parametrize("lines", [1, 100])
def test_what_is_no_database_is_refused_and_left_as_it_is(lines: int, path: Path) -> None:
    path.write_text("tenants:\n  shop: {}\n" * lines)
    before = path.read_bytes()
    with pytest.raises(StoreUnusableError, match=r"not a database.*is the folder there and writable"):
        open_store(f"sqlite:///{path}")
    assert path.read_bytes() == before


def test_another_programs_database_is_refused_and_left_as_it_is(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE dashboards (id INTEGER)")
    before = path.read_bytes()
    with pytest.raises(StoreUnusableError, match="another program's database"):
        open_store(f"sqlite:///{path}")
    assert path.read_bytes() == before


@pytest.mark.parametrize("end", ["", "/", "/new/"])
def test_a_folder_is_refused_with_the_way_out(end: str, tmp_path: Path) -> None:
    with pytest.raises(StoreUnusableError, match=r"is a folder: add the name of a file, as in sqlite:///"):
        open_store(f"sqlite:///{tmp_path}{end}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", [":memory:", "/:memory:", "data/:memory:", "file::memory:?cache=shared"])
def test_a_store_in_memory_is_refused_with_the_way_out(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreUnusableError, match="counts have to outlive a restart; write sqlite:///data/"):
        open_store(f"sqlite:///{path}")
    assert not list(tmp_path.iterdir())


def _no_database(path: Path) -> None:
    path.write_text("tenants:\n  shop: {}\n" * 100)


def _another_programs(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA journal_mode = WAL")
        other.execute("CREATE TABLE dashboards (id INTEGER)")


def _newer(path: Path) -> None:
    open_store(f"sqlite:///{path}").close()
    Path(f"{path}.lock").unlink()
    with closing(sqlite3.connect(path)) as later:
        later.execute(f"PRAGMA user_version = {LATEST + 1}")


def _damaged(path: Path) -> None:
    open_store(f"sqlite:///{path}").close()
    Path(f"{path}.lock").unlink()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"x" * 20_000)


@pytest.mark.parametrize("made", [_no_database, _another_programs, _newer, _damaged])
def test_a_refused_start_leaves_no_file_behind_and_the_refused_one_as_it_was(
    made: Callable[[Path], None], path: Path
) -> None:
    made(path)
    before = path.read_bytes()
    for _ in range(2):
        with pytest.raises(StoreUnusableError):
            open_store(f"sqlite:///{path}")
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert path.read_bytes() == before


def test_a_log_without_its_file_is_refused_and_kept(path: Path) -> None:
    kill_with_a_log(path)
    path.unlink()
    log = Path(f"{path}-wal").read_bytes()
    with pytest.raises(StoreUnusableError, match=r"is gone, and its log .*-wal is there: put the file back"):
        open_store(f"sqlite:///{path}")
    assert Path(f"{path}-wal").read_bytes() == log
    assert not path.exists()


def test_a_log_is_not_written_into_a_copy_even_where_an_older_version_noted_nothing(
    path: Path, tmp_path: Path
) -> None:
    kill_with_a_log(path)
    log = Path(f"{path}-wal").read_bytes()
    with closing(sqlite3.connect(path)) as store:
        store.execute("VACUUM INTO ?", (str(tmp_path / "copy.db"),))
    Path(f"{path}-wal").write_bytes(log)
    Path(f"{path}.lock").unlink()
    (tmp_path / "copy.db").rename(path)
    with pytest.raises(StoreUnusableError, match="belongs to another file than"):
        open_store(f"sqlite:///{path}")
    Path(f"{path}-wal").unlink()
    open_store(f"sqlite:///{path}").close()


def test_a_log_without_a_note_is_used_where_it_fits(path: Path) -> None:
    kill_with_a_log(path)
    Path(f"{path}.lock").unlink()
    store = open_store(f"sqlite:///{path}")
    assert value(store, "shop") == 3
    store.close()


@pytest.mark.parametrize("how", ["deleted", "emptied", "filled with zeros"])
def test_a_log_that_went_missing_between_two_runs_is_told(
    how: str, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kill_with_a_log(path)
    log = Path(f"{path}-wal")
    if how == "deleted":
        log.unlink()
        Path(f"{path}-shm").unlink()
    else:
        log.write_bytes(b"" if how == "emptied" else bytes(log.stat().st_size))
    open_store(f"sqlite:///{path}").close()
    assert "the store's log is gone: what was committed last is not counted" in caplog.text


def test_a_link_to_a_store_is_followed(path: Path, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    path.symlink_to(tmp_path / "disk" / "store.db")
    store = open_store(f"sqlite:///{path}")
    store.write(add("shop"))
    store.close()
    assert value(open_store(f"sqlite:///{tmp_path}/disk/store.db"), "shop") == 1


def test_a_store_that_was_closed_is_opened_again_without_a_word(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        store = open_store(f"sqlite:///{path}")
        store.write(add("shop"))
        store.close()
    kill_with_a_log(path)
    open_store(f"sqlite:///{path}").close()
    assert not caplog.records


def test_a_folder_that_cannot_be_written_is_refused_with_the_way_out() -> None:
    def promise(folder: Path) -> None:
        folder.chmod(0o500)
        for path in (folder / "billing.db", folder / "deeper" / "billing.db"):
            with pytest.raises(StoreUnusableError, match=r"Permission denied.*writable by this user"):
                open_store(f"sqlite:///{path}")

    unprivileged(promise)


def test_a_file_that_cannot_be_written_is_refused_with_the_way_out() -> None:
    def promise(folder: Path) -> None:
        path = folder / "billing.db"
        open_store(f"sqlite:///{path}").close()
        path.chmod(0o400)
        with pytest.raises(
            StoreUnusableError, match="is read-only for this user: change its owner or its mode"
        ):
            open_store(f"sqlite:///{path}")

    unprivileged(promise)


def open_files() -> int:
    return sum(1 for _ in Path("/dev/fd").iterdir())


def test_opening_in_vain_leaks_no_file_however_often(path: Path) -> None:
    path.write_text("no database" * 100)
    before = open_files()
    for _ in range(5):
        with pytest.raises(StoreUnusableError):
            open_store(f"sqlite:///{path}")
    assert open_files() == before


def test_the_key_of_payers_differs_between_stores_and_stays_in_one(tmp_path: Path) -> None:
    topics = []
    for name in ("one", "two", "one"):
        store = open_store(f"sqlite:///{tmp_path}/{name}.db")
        topics.append(store.write(lambda tx: tx.secret_topic("customer cus_1", "usd", "2000")))
        store.close()
    assert topics[0] == topics[2] != topics[1]


def test_the_store_is_readable_by_its_owner_alone(sqlite: Store, path: Path) -> None:
    """It holds Stripe ids and the key of payers."""
    sqlite.write(add("shop"))
    for file in path.parent.glob("billing.db*"):
        assert file.stat().st_mode & 0o077 == 0, file.name
