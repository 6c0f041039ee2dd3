"""The files of a SQLite store in other hands: copied over, put back, cut, taken away, while it is open and between."""

from __future__ import annotations

import os
import signal
import sqlite3
import warnings
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from bw_exporter.errors import StoreUnavailableError, StoreUnusableError
from bw_exporter.store import open_reader, open_store, open_whole
from bw_exporter.store.sqlite.file.note import END_AT, Note, note_bytes, note_in

from .counts import NOW, add, value

NOT_LAST = "is not the last one of .*put back the log that was there last; or, to use .* as it is, move"
CUT_SHORT = "the store's log was cut short: what was committed last is not counted"
LOG_GONE = "the store's log is gone: what was committed last is not counted"


def lived_and_killed(path: Path, life: str) -> None:
    """Run an exporter's part in a process that then ends as by kill -9."""
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # from Python 3.12 on: the test runner has threads
        child = os.fork()
    if child == 0:
        try:
            store = open_store(f"sqlite:///{path}")

            def count(times: int) -> None:
                for _ in range(times):
                    store.write(add("shop"))

            exec(life, {"path": str(path), "store": store, "count": count, **globals()})
            os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def counted(path: Path) -> int:
    with closing(open_store(f"sqlite:///{path}")) as store:
        return value(store, "shop")


def written_in_place(path: Path, content: bytes) -> None:
    """As cp does, but that nobody sees it shorter than it was."""
    with path.open("r+b") as file:
        file.write(content)
        file.truncate()


def files(path: Path) -> list[Path]:
    return [Path(f"{path}{suffix}") for suffix in ("", "-wal", "-shm")]


def test_processes_agree_on_a_file_that_is_copied_over_and_go_on_when_the_copy_is_done(path: Path) -> None:
    url = f"sqlite:///{path}"
    with closing(open_store(url)) as first, closing(open_store(url)) as second:
        first.write(add("shop"))
        content = path.read_bytes()
        written_in_place(path, content[: len(content) // 2])
        for store in (first, first):  # the second does not look in the middle of the copy
            with pytest.raises(
                StoreUnavailableError, match=r"was overwritten.*, or still is: restart the exporter"
            ):
                store.write(add("shop"))
        with pytest.raises(StoreUnavailableError):
            second.probe(NOW)
        written_in_place(path, content)
        for store in (first, second):
            store.write(add("shop"))
            store.probe(NOW)
        assert value(first, "shop") == 3


def test_another_programs_checkpoint_that_empties_the_log_costs_nothing(path: Path) -> None:
    """A process that did not begin the log before begins the next one with random salts, half of them lower."""
    url = f"sqlite:///{path}"
    for _ in range(6):
        with closing(open_store(url)) as first, closing(open_store(url)) as second:
            for store in (first, second, first, second):
                store.write(add("shop"))
                with closing(sqlite3.connect(path)) as other:
                    other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert counted(path) == 24


def test_pages_overwritten_in_the_middle_are_not_adopted_while_it_is_open(path: Path) -> None:
    with closing(open_store(f"sqlite:///{path}")) as store:
        with path.open("r+b") as file:
            file.seek(3 * 4096)
            file.write(os.urandom(3 * 4096))
        with pytest.raises(StoreUnavailableError, match="was overwritten while it was open"):
            store.write(add("shop"))
        with pytest.raises(StoreUnavailableError):
            store.probe(NOW)


def test_a_file_that_is_empty_for_a_moment_costs_no_log_where_somebody_reads(path: Path) -> None:
    """SQLite deletes the log of an empty file that it opens."""
    url = f"sqlite:///{path}"
    with closing(open_store(url)) as store:
        store.write(add("shop"))
        content = path.read_bytes()
        os.truncate(path, 0)
        with pytest.raises(StoreUnavailableError, match="was overwritten"):
            store.samples("shop")
        with pytest.raises(StoreUnusableError, match="is empty"):
            open_store(url)
        open_reader(url).close()
        written_in_place(path, content)
        assert value(store, "shop") == 1


def test_all_files_of_an_older_moment_put_back_are_noticed_by_who_did_not_see_the_later_one(
    path: Path,
) -> None:
    url = f"sqlite:///{path}"
    with closing(open_store(url)) as first, closing(open_store(url)) as second:
        first.write(add("shop"))
        second.probe(NOW)
        older = [file.read_bytes() for file in files(path)]
        for _ in range(5):
            first.write(add("shop"))
        for file, content in zip(files(path), older, strict=True):
            written_in_place(file, content)
        for store in (second, first):
            with pytest.raises(
                StoreUnavailableError, match=r"-wal was emptied or written over.*restart the exporter"
            ):
                store.write(add("shop"))
            with pytest.raises(StoreUnavailableError):
                store.probe(NOW)


_PUT_BACK = """
count(2)
names = [path, path + "-wal", path + "-shm"]
older = [open(name, "rb").read() for name in names]
count(5)
for name, content in zip(names, older):
    with open(name, "r+b") as file:
        file.write(content)
        file.truncate()
"""


def test_the_next_start_tells_that_an_older_moment_was_put_back(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lived_and_killed(path, _PUT_BACK)
    assert counted(path) == 2
    assert CUT_SHORT in caplog.text


_TWO_LOGS = """
count(5)
Path(path + "-older").write_bytes(Path(path + "-wal").read_bytes())
stranger = sqlite3.connect(path, isolation_level=None)
assert stranger.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()[0] == 0
count(5)
"""


def test_a_log_of_an_older_generation_is_refused_and_the_newest_is_used(path: Path) -> None:
    lived_and_killed(path, _TWO_LOGS)
    log, shm = Path(f"{path}-wal"), Path(f"{path}-shm")
    newest, before = log.read_bytes(), path.read_bytes()
    shm.unlink()
    log.write_bytes(Path(f"{path}-older").read_bytes())
    with pytest.raises(StoreUnusableError, match=NOT_LAST):
        open_store(f"sqlite:///{path}")
    assert path.read_bytes() == before
    log.write_bytes(newest)
    assert counted(path) == 10


def test_a_log_put_beside_a_store_that_was_closed_is_refused(path: Path) -> None:
    lived_and_killed(path, "count(5)")
    log = Path(f"{path}-wal")
    older = log.read_bytes()
    assert counted(path) == 5
    log.write_bytes(older)
    with pytest.raises(
        StoreUnusableError, match=r"belongs to another file|came after the exporter had closed"
    ):
        open_store(f"sqlite:///{path}")
    log.unlink()
    assert counted(path) == 5


def test_a_log_that_was_cut_after_a_kill_is_used_as_far_as_it_goes_and_the_rest_is_told(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lived_and_killed(path, "count(3); open(path + '-at', 'w').write(str(store._file._end.frames)); count(4)")
    os.truncate(f"{path}-wal", 32 + int(Path(f"{path}-at").read_text()) * (24 + 4096))
    assert counted(path) == 3
    assert CUT_SHORT in caplog.text


def test_a_log_that_was_cut_below_what_a_checkpoint_took_from_it_is_refused(path: Path) -> None:
    """Of the checkpoint that the start made, the file has all."""
    stranger = "reader = sqlite3.connect(path, isolation_level=None); reader.execute('BEGIN')"
    reads = "reader.execute('SELECT count(*) FROM series').fetchone()"
    checkpoint = "store._file._log._due_at = 1; store._file._log._salts = store._file._end.salts; count(1)"
    lived_and_killed(path, f"count(5); {stranger}; {reads}; count(5); {checkpoint}")
    os.truncate(f"{path}-wal", 32 + 3 * (24 + 4096))
    with pytest.raises(StoreUnusableError, match="already holds a part of what is missing: put back the log"):
        open_store(f"sqlite:///{path}")


def test_a_log_that_was_deleted_with_all_side_files_after_a_kill_is_told(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lived_and_killed(path, "count(3)")
    for suffix in ("-wal", "-shm", ".lock"):
        Path(f"{path}{suffix}").unlink()
    counted(path)
    assert LOG_GONE in caplog.text


@pytest.mark.parametrize("how", ["closed", "a copy"])
def test_a_whole_file_without_side_files_is_opened_without_a_word(
    how: str, path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(open_store(f"sqlite:///{path}")) as store:
        store.write(add("shop"))
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("VACUUM INTO ?", (str(tmp_path / "copy.db"),))
    Path(f"{path}.lock").unlink()
    assert counted(path if how == "closed" else tmp_path / "copy.db") == 1
    assert not caplog.records


@pytest.mark.parametrize("killed", [False, True])
def test_a_file_that_was_cut_off_is_called_so(killed: bool, path: Path) -> None:
    lived_and_killed(path, "count(3)")
    if not killed:
        counted(path)
    size = path.stat().st_size
    os.truncate(path, 2 * 4096)
    with pytest.raises(
        StoreUnusableError, match=f"is damaged .it is cut off: 8,192 of {size:,} bytes.: put back"
    ):
        open_store(f"sqlite:///{path}")


def test_pages_overwritten_in_the_middle_are_not_adopted_by_the_next_start(path: Path) -> None:
    lived_and_killed(path, "count(3)")
    with path.open("r+b") as file:
        file.seek(3 * 4096)
        file.write(b"x" * 3 * 4096)
    log = Path(f"{path}-wal").read_bytes()
    with pytest.raises(StoreUnusableError, match=r"is damaged .*restore a backup"):
        open_store(f"sqlite:///{path}")
    assert Path(f"{path}-wal").read_bytes() == log


_INDEX_CUT = """
count(3)
os.truncate(path + "-shm", SIZE)
count(3)
"""


@pytest.mark.parametrize("size", [0, 5000])
def test_an_index_that_is_cut_in_place_is_made_anew_and_costs_nothing(size: int, path: Path) -> None:
    lived_and_killed(path, _INDEX_CUT.replace("SIZE", str(size)))
    assert counted(path) == 6


def test_a_reader_waits_for_a_cut_index_to_be_made_anew(path: Path) -> None:
    with closing(open_store(f"sqlite:///{path}")) as store:
        store.write(add("shop"))
        os.truncate(f"{path}-shm", 0)
        with pytest.raises(
            StoreUnavailableError, match="cut short: the next commit makes it anew, nothing is lost"
        ):
            store.samples("shop")
        store.write(add("shop"))
        assert value(store, "shop") == 2


@pytest.mark.parametrize("opened", [open_store, open_reader, open_whole])
@pytest.mark.parametrize("suffix", ["", "-wal", "-shm", ".lock"])
def test_a_named_pipe_in_the_place_of_a_file_hangs_nobody(
    suffix: str, opened: Callable[[str], object], path: Path
) -> None:
    if suffix:
        counted(path)
    Path(f"{path}{suffix}").unlink(missing_ok=True)
    os.mkfifo(f"{path}{suffix}")
    with pytest.raises(
        StoreUnusableError, match="is a pipe or a device, where a file of the store should be: move"
    ):
        opened(f"sqlite:///{path}")


def test_a_named_pipe_in_the_place_of_the_lock_of_an_open_store_is_refused_until_it_is_gone(
    path: Path,
) -> None:
    with closing(open_store(f"sqlite:///{path}")) as store:
        lock = Path(f"{path}.lock")
        lock.unlink()
        os.mkfifo(lock)
        with pytest.raises(
            StoreUnavailableError, match="something else than a file is in its place: move it away"
        ):
            store.write(add("shop"))
        lock.unlink()
        store.write(add("shop"))
        assert value(store, "shop") == 1


def test_a_note_of_an_older_version_is_read_and_the_longest_leaves_room_for_the_end() -> None:
    raw = b'{"ids":["a"],"size":4096,"changed_ns":5,"log":[1,2],"closed":true}'.ljust(512)
    assert note_in(raw) == Note(("a",), 4096, 5, (1, 2), closed=True)
    longest = Note(("f" * 16,) * 12 + ("",), 1 << 48, 1 << 62, (1 << 63, 1 << 63), False, 1 << 62)
    assert len(note_bytes(longest).rstrip()) <= END_AT
    assert note_in(note_bytes(longest)) == longest
