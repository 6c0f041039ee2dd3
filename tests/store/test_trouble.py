"""A SQLite store in trouble: nothing is acknowledged that is not kept, and it goes on when the trouble ends."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bw_exporter import housekeeping
from bw_exporter.errors import StoreUnavailableError
from bw_exporter.housekeeping import StoreHealth
from bw_exporter.metrics import catalog
from bw_exporter.store import PromptStore, Store, open_store
from bw_exporter.store.sqlite import connection as sqlite_connection
from bw_exporter.store.sqlite import store as sqlite_store
from bw_exporter.store.sqlite.file.file_lock import FileLock
from support.patience import limit
from support.processes import started

from .counts import NOW, add, unprivileged, value

if TYPE_CHECKING:
    from bw_exporter.store import Transaction


def test_a_stranger_who_locks_the_file_makes_it_unavailable_until_he_leaves(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_connection, "_BUSY_SECONDS", 0.05)
    store = open_store(f"sqlite:///{path}")
    store.write(add("shop"))
    with closing(sqlite3.connect(path, isolation_level=None)) as stranger:
        stranger.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreUnavailableError, match="cannot commit: database is locked"):
            store.write(add("shop"))
        with pytest.raises(StoreUnavailableError):
            store.probe(NOW)
        assert value(store, "shop") == 1, "reading goes on"
        stranger.execute("ROLLBACK")
    store.write(add("shop"))
    assert value(store, "shop") == 2
    store.close()


@pytest.mark.parametrize("fault", [OSError(errno.ENOLCK, "No locks available"), RuntimeError("unforeseen")])
def test_housekeeping_outlives_whatever_the_lock_answers_and_tells_that_the_store_is_not_up(
    path: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    """ENOLCK is what a network mount says whose lock service is away."""
    store = open_store(f"sqlite:///{path}")
    health, was_up = StoreHealth(store.schema_version), list[bool]()

    def refuse(_fd: int, _operation: int) -> None:
        raise fault

    with monkeypatch.context() as away:

        class Turns(threading.Event):
            def wait(self, _seconds: float | None = None) -> bool:
                was_up.append(health.up)
                if len(was_up) == 7:
                    away.undo()
                if len(was_up) == 20:
                    self.set()
                return self.is_set()

        away.setattr(fcntl, "flock", refuse)
        with pytest.raises(type(fault) if isinstance(fault, RuntimeError) else StoreUnavailableError):
            store.write(add("shop"))
        housekeeping.run(store, health, lambda: NOW, Turns())
    assert not any(was_up[:7])
    assert was_up[-1]
    store.close()


def test_a_process_that_hangs_with_the_lock_makes_it_unavailable_and_nothing_is_lost(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_store, "COMMIT_TIMEOUT_SECONDS", 0.2)
    store = open_store(f"sqlite:///{path}")
    other = FileLock(f"{path}.lock")
    with ThreadPoolExecutor(5) as pool:
        with other.held():
            results = [pool.submit(store.write, add("shop")) for _ in range(5)]
            gave_up = list(wait(results, 30, "FIRST_EXCEPTION").done)
            assert gave_up
            wait(results, 1)
        errors = [result.exception(30) for result in results]
    assert [error for error in errors if error is None] == [None], "the first of them waits for its turn"
    assert all(isinstance(error, StoreUnavailableError) for error in errors if error is not None)
    assert value(store, "shop") == 1
    store.write(add("shop"))
    assert value(store, "shop") == 2
    other.close()
    store.close()


def test_a_deleted_file_is_not_begun_anew_and_counts_again_when_put_back(
    sqlite: Store, path: Path, tmp_path: Path
) -> None:
    sqlite.write(add("shop"))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for file in tmp_path.glob("billing.db*"):
        file.rename(elsewhere / file.name)
    for act in (
        lambda: sqlite.write(add("shop")),
        lambda: sqlite.probe(NOW),
        lambda: sqlite.families(["shop"]),
    ):
        with pytest.raises(
            StoreUnavailableError, match=r"is gone.*put it back.*or, to begin a new one, stop"
        ):
            act()
    assert not path.exists()
    for file in elsewhere.iterdir():
        file.rename(tmp_path / file.name)
    sqlite.write(add("shop"))
    assert value(sqlite, "shop") == 2


def test_a_replaced_file_is_neither_read_nor_written(sqlite: Store, path: Path, tmp_path: Path) -> None:
    sqlite.write(add("shop"))
    other = open_store(f"sqlite:///{tmp_path}/other.db")
    other.register(["shop"], NOW)
    other.close()
    (tmp_path / "other.db").rename(path)
    before = path.read_bytes()
    for act in (lambda: sqlite.write(add("shop")), lambda: sqlite.samples("shop")):
        with pytest.raises(StoreUnavailableError, match="was replaced by another file: put the old one back"):
            act()
    assert path.read_bytes() == before


def emptied(log: Path) -> None:
    os.truncate(log, 0)


def cut(log: Path) -> None:
    os.truncate(log, 32 + 24 + 4096)  # its header and its first frame


def of_another_store(log: Path) -> None:
    with closing(sqlite3.connect(log.with_name("other.db"), isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode = WAL")
        other.execute("CREATE TABLE other (value BLOB)")
        other.execute("INSERT INTO other VALUES (zeroblob(1000000))")
        log.write_bytes(log.with_name("other.db-wal").read_bytes())


@pytest.mark.parametrize("damage", [emptied, cut, of_another_store])
def test_a_log_that_is_emptied_or_written_over_in_place_takes_no_commit_and_destroys_no_file(
    path: Path, damage: Callable[[Path], None]
) -> None:
    log = Path(f"{path}-wal")
    open_store(f"sqlite:///{path}").close()
    store = open_store(f"sqlite:///{path}")
    for _ in range(3):
        store.write(add("shop"))
    before = path.read_bytes()
    damage(log)
    for _ in range(2):
        with pytest.raises(StoreUnavailableError, match="-wal was emptied or written over while the store"):
            store.write(add("shop"))
    with pytest.raises(StoreUnavailableError):
        store.probe(NOW)
    store.close()
    assert path.read_bytes() == before, "no checkpoint of a log with a hole"


def test_a_log_that_another_program_checkpoints_and_empties_is_no_trouble(sqlite: Store, path: Path) -> None:
    for mode in ("PASSIVE", "RESTART", "TRUNCATE"):
        sqlite.write(add("shop"))
        with closing(sqlite3.connect(path, isolation_level=None)) as stranger:
            assert stranger.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()[0] == 0
        sqlite.write(add("shop"))
    assert value(sqlite, "shop") == 6


def test_an_emptied_lock_file_is_written_anew(sqlite: Store, path: Path) -> None:
    sqlite.write(add("shop"))
    os.truncate(f"{path}.lock", 0)
    sqlite.write(add("shop"))
    assert value(sqlite, "shop") == 2
    assert Path(f"{path}.lock").stat().st_size


def test_a_file_that_becomes_read_only_is_unavailable_until_it_is_writable() -> None:
    def promise(folder: Path) -> None:
        path = folder / "billing.db"
        store = open_store(f"sqlite:///{path}")
        path.chmod(0o400)
        with pytest.raises(StoreUnavailableError, match="readonly database"):
            store.write(add("shop"))
        for file in folder.iterdir():  # SQLite made its side files with the mode of the store
            file.chmod(0o600)
        store.write(add("shop"))
        assert value(store, "shop") == 1

    unprivileged(promise)


def test_a_file_that_is_overwritten_with_rubbish_is_unavailable(sqlite: Store, path: Path) -> None:
    sqlite.write(add("shop"))
    sqlite.close()
    store = open_store(f"sqlite:///{path}")
    with path.open("r+b") as file:
        file.write(b"rubbish " * 1000)
    with pytest.raises(StoreUnavailableError):
        store.write(add("shop"))
    with pytest.raises(StoreUnavailableError):
        store.samples("shop")
    store.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MiB; only root can have one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    command = [mount or "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if (
        os.geteuid() != 0
        or mount is None
        or subprocess.run(command, check=False, capture_output=True).returncode
    ):
        pytest.skip("mounting a small disk needs root; the file size limit is tried instead")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_unavailable_and_counts_again_when_there_is_room(small_disk: Path) -> None:
    store = open_store(f"sqlite:///{small_disk}/billing.db")
    store.write(add("shop"))
    ballast = small_disk / "ballast"
    with pytest.raises(OSError, match="No space left"):
        ballast.write_bytes(b"x" * (1 << 20))
    for number in range(1000):
        try:
            store.write(lambda tx, number=number: tx.save("shop", "charge", f"{number}", b"x" * 1000, NOW))  # type: ignore[misc]
        except StoreUnavailableError:
            break
    with pytest.raises(StoreUnavailableError, match="cannot commit"):
        store.write(lambda tx: tx.save("shop", "charge", "large", b"x" * 900_000, NOW))
    before = value(store, "shop")
    ballast.unlink()
    store.write(add("shop"))
    assert value(store, "shop") == before + 1
    store.close()
    again = open_store(f"sqlite:///{small_disk}/billing.db")
    assert value(again, "shop") == before + 1
    again.close()


_LIMITED = """
import resource, signal, sys
from bw_exporter.errors import StoreUnavailableError
from bw_exporter.store import open_store

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store, hard = open_store(sys.argv[1]), resource.getrlimit(resource.RLIMIT_FSIZE)[1]
def large(number):
    return lambda tx: tx.save("shop", "charge", f"{number}", b"x" * 5000, 1)
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
kept = 0
try:
    for number in range(200):
        store.write(large(number))
        kept += 1
except StoreUnavailableError:
    pass
assert 0 < kept < 200, kept
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
store.write(large(200))
found = store.write(lambda tx: [n for n in range(201) if tx.load("shop", "charge", f"{n}")])
assert found == [*range(kept), 200], found
"""


def test_a_file_that_may_not_grow_loses_nothing_that_was_acknowledged(path: Path) -> None:
    subprocess.run([sys.executable, "-c", _LIMITED, f"sqlite:///{path}"], check=True, timeout=limit(60))


_KILLED = """
import sys
from bw_exporter.store import open_store
store = open_store(sys.argv[1])
for number in range(100_000):
    store.write(lambda tx: tx.remember_event(1, "shop", f"evt_{number}"))
    print(number, flush=True)
"""


def test_what_was_acknowledged_is_there_after_a_kill_and_the_lock_is_free(url: str) -> None:
    with started([sys.executable, "-c", _KILLED, url], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for _ in range(50):
            child.stdout.readline()
        child.send_signal(signal.SIGKILL)
        said = child.stdout.read().split()
    last = max(map(int, said), default=49)
    store = open_store(url)

    def unknown(tx: Transaction) -> list[int]:
        return [n for n in range(last + 1) if not tx.knows_event(1, "shop", f"evt_{n}")]

    assert store.write(unknown) == []
    store.close()


def test_a_value_beyond_what_a_store_holds_is_refused_whole(sqlite: Store) -> None:
    sqlite.write(add("shop", catalog.REFUNDS, amount=2**62))
    with pytest.raises(Exception, match=r"overflow|NOT NULL|INTEGER|constraint|large"):
        sqlite.write(add("shop", catalog.REFUNDS, amount=2**63))
    assert value(sqlite, "shop", catalog.REFUNDS) == 2**62


def test_a_try_to_write_is_put_off_while_another_has_the_store_and_done_when_it_is_free(
    sqlite: Store, path: Path
) -> None:
    assert isinstance(sqlite, PromptStore)
    other = FileLock(f"{path}.lock")
    with other.held():
        assert sqlite.try_write([add("shop")]) is None
    other.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as stranger:
        stranger.execute("BEGIN IMMEDIATE")
        assert sqlite.try_write([add("shop")]) is None
        stranger.execute("ROLLBACK")

    def broken(_tx: Transaction) -> None:
        raise KeyError("broken")

    outcomes = sqlite.try_write([add("shop"), broken, add("shop")])
    assert outcomes is not None
    assert [type(error) for _, error in outcomes] == [type(None), KeyError, type(None)]
    assert value(sqlite, "shop") == 2


def test_a_try_to_write_into_a_file_that_is_gone_says_so(sqlite: Store, path: Path) -> None:
    assert isinstance(sqlite, PromptStore)
    path.rename(path.with_suffix(".away"))
    with pytest.raises(StoreUnavailableError, match="is gone"):
        sqlite.try_write([add("shop")])
    path.with_suffix(".away").rename(path)
    assert sqlite.try_write([add("shop")]) == [(None, None)]
