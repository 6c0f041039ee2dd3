"""The store's file in other hands, while it serves: answers are 200 and 503, and what was acknowledged counts."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from support.exporter import ONE_TENANT, RunningExporter, Start, eventually
from support.patience import limit

from .crowd import LONG, Senders

Figure = Callable[[str], None]
ROUNDS = 10 if LONG else 1
NOBODY = 65534


def stored(exporter: RunningExporter) -> list[Path]:
    return [Path(f"{exporter.store}{suffix}") for suffix in ("", "-wal", "-shm")]


def refuses(exporter: RunningExporter) -> bool:
    return exporter.get("/-/ready").status == 503 and exporter.get("/-/healthy").status == 200


def refused_start(folder: Path, within: tuple[str, ...] = ()) -> str:
    """Start in vain; return what was said."""
    exporter = RunningExporter(folder, within=within)
    try:
        assert exporter.process.wait(timeout=limit(30)) == 1
    finally:
        exporter.process.kill()
    return exporter.log_file.read_text()


def test_a_file_that_is_gone_for_a_while_and_a_folder_too(start: Start, tmp_path: Path, figure: Figure):
    data = tmp_path / "data"
    exporter = start(ONE_TENANT, "--storage.url", f"sqlite:///{data}/store.db")
    exporter.store = data / "store.db"
    away = tmp_path / "away"
    with Senders(exporter.public, pause=0.005) as senders:
        for _ in range(ROUNDS):
            senders.wait_for(50)
            away.mkdir()
            for file in stored(exporter):
                file.rename(away / file.name)
            senders.wait_for_answer(503, more=20)
            eventually(lambda: refuses(exporter))
            assert not exporter.store.exists()
            for file in away.iterdir():
                file.rename(data / file.name)
            away.rmdir()
            senders.wait_for(50)
            data.rename(away)
            senders.wait_for_answer(503, more=20)
            away.rename(data)
            senders.wait_for(50)
    figure(f"gone {2 * ROUNDS} times: {senders.exact(exporter)}")


def test_a_file_that_another_program_locks(start: Start, figure: Figure):
    exporter = start()
    with Senders(exporter.public, pause=0.005) as senders:
        for _ in range(ROUNDS):
            senders.wait_for(50)
            with closing(
                sqlite3.connect(exporter.store, isolation_level=None, timeout=limit(30))
            ) as stranger:
                stranger.execute("BEGIN EXCLUSIVE")
                senders.wait_for_answer(503)
                assert exporter.get("/metrics").status == 200
                stranger.execute("ROLLBACK")
            senders.wait_for(50)
    figure(f"locked {ROUNDS} time(s): {senders.exact(exporter)}")


def test_a_file_with_rubbish_in_it_is_put_back_from_a_backup(start: Start, tmp_path: Path, figure: Figure):
    exporter = start()
    with Senders(exporter.public, pause=0.005) as senders:
        senders.wait_for(50)
    before = senders.exact(exporter)
    backup = tmp_path / "backup.db"
    with closing(sqlite3.connect(exporter.store)) as store, closing(sqlite3.connect(backup)) as kept:
        store.backup(kept)
    for file in stored(exporter):
        if file.suffix != ".db-shm":
            file.write_bytes(b"rubbish " * 1000)
    eventually(lambda: refuses(exporter))
    # A worker that has read all it needs before may go on until it has to read again; the monitoring knows at once.
    assert {exporter.send(f"rubbish-{number}").status for number in range(20)} <= {200, 503}
    assert exporter.get("/metrics").status == 503
    assert exporter.stop() == 0
    for file in stored(exporter):
        file.unlink(missing_ok=True)
    exporter.store.write_bytes(b"rubbish " * 1000)
    assert "the file a SQLite database?" in refused_start(tmp_path)
    shutil.copy(backup, exporter.store)
    again = start()
    figure(f"rubbish, then the backup: {senders.exact(again)}")
    assert senders.exact(again) == before


def test_a_page_that_is_damaged_crashes_nothing(start: Start, figure: Figure):
    exporter = start()
    said = set()
    with Senders(exporter.public, pause=0.005) as senders:
        senders.wait_for(100)
    with closing(sqlite3.connect(exporter.store)) as store:
        store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        pages, size = (store.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
    with exporter.store.open("r+b") as file:
        for page in range(1, pages):
            file.seek(page * size)
            file.write(os.urandom(size))
    for number in range(30):
        said |= {exporter.send(f"damaged-{number}").status, exporter.get("/metrics").status}
        said |= {exporter.get(path).status for path in ("/", "/findings", "/-/ready")}
    assert said <= {200, 503}
    assert 503 in said
    assert exporter.get("/-/healthy").status == 200
    assert len(exporter.workers("public")) == 2
    figure(f"{pages - 1} of {pages} pages damaged: 150 requests, answered {sorted(said)}, no worker ended")


_AS_NOBODY = """
import os, sys, uuid, encodings.ascii, encodings.idna, gunicorn.config
from bw_exporter import cli
from bw_exporter.commands import serve
from bw_exporter.config import tenants
from bw_exporter.serving import start
from bw_exporter.monitoring import web_config
from bw_rules import detectors
os.setgid(65534), os.setuid(65534)
gunicorn.config.User.default = gunicorn.config.Group.default = 65534
sys.exit(cli.main(sys.argv[4:]))
"""
"""Permissions mean nothing to root; all is imported before, as root's Python may be for root alone."""


@pytest.fixture
def nobodys() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="billing-") as name:
        if os.geteuid() == 0:
            os.chown(name, NOBODY, NOBODY)
        yield Path(name)


def test_a_file_and_a_folder_that_become_read_only(nobodys: Path, figure: Figure):
    within = (sys.executable, "-c", _AS_NOBODY) if os.geteuid() == 0 else ()
    with RunningExporter(nobodys, within=within) as exporter:
        exporter.ready()
        with Senders(exporter.public, pause=0.005) as senders:
            for _ in range(ROUNDS):
                senders.wait_for(50)
                modes = {path: path.stat().st_mode for path in (*stored(exporter), nobodys)}
                for path in modes:
                    path.chmod(0o500)
                eventually(lambda: exporter.get("/metrics").status in (200, 503))
                senders.wait_for_answer(200, 503, more=50)
                for path, mode in modes.items():
                    path.chmod(mode)
                senders.wait_for(50)
        figure(f"read-only {ROUNDS} time(s): {senders.exact(exporter)}")
        assert exporter.stop() == 0
        exporter.store.chmod(0o400)
        assert "read-only for this user: change its owner or its mode" in refused_start(nobodys, within)


def killed(exporter: RunningExporter) -> None:
    """Kill every process at once, as a power cut would."""
    processes = [exporter.process.pid, *exporter.workers("public"), *exporter.workers("private")]
    for pid in processes:
        os.kill(pid, signal.SIGKILL)
    exporter.process.wait()
    eventually(lambda: not any(exporter.workers(role) for role in ("public", "private")))


def copied(exporter: RunningExporter, copy: Path, how: str) -> Path:
    """Copy a store that serves, in a way that operators do."""
    with closing(sqlite3.connect(exporter.store)) as store:
        if how == "VACUUM INTO":
            store.execute("VACUUM INTO ?", (str(copy),))
        else:
            with closing(sqlite3.connect(copy)) as target:
                store.backup(target)
    return copy


def is_whole(path: Path) -> bool:
    with closing(sqlite3.connect(path)) as store:
        return bool(store.execute("PRAGMA integrity_check").fetchall() == [("ok",)])


def without_log(exporter: RunningExporter, away: Path) -> None:
    """Do what the refusal says: move the log away."""
    for suffix in ("-wal", "-shm"):
        shutil.move(f"{exporter.store}{suffix}", away / f"log{suffix}")


@pytest.mark.parametrize("gone", ["-wal", "-wal -shm", "-shm", "-wal -shm .lock"])
def test_a_log_that_is_deleted_while_it_serves_loses_nothing_that_was_acknowledged(
    gone: str, start: Start, figure: Figure
):
    exporter = start()
    with Senders(exporter.public, pause=0.002, port_now=lambda: exporter.public) as senders:
        for _ in range(ROUNDS):
            senders.wait_for(100)
            for suffix in gone.split():
                Path(f"{exporter.store}{suffix}").unlink()
            eventually(partial(refuses, exporter))
            senders.wait_for_answer(503, more=20)
            killed(exporter)
            exporter = start()
            senders.wait_for(50)
    assert is_whole(exporter.store)
    figure(f"{gone} deleted {ROUNDS} time(s), then kill -9: {senders.exact(exporter)}")


@pytest.mark.parametrize("how", ["VACUUM INTO", "backup"])
def test_a_backup_renamed_over_the_store_is_never_mixed_with_the_old_log(
    how: str, start: Start, tmp_path: Path, figure: Figure
):
    exporter = start()
    kept = tmp_path / "kept.db"
    with Senders(exporter.public, pause=0.002, port_now=lambda: exporter.public) as senders:
        senders.wait_for(100)
        copy = copied(exporter, tmp_path / "copy.db", how)
        if how == "backup":  # of another life of the store
            exporter.stop()
            exporter = start()
        senders.wait_for(100)
        os.link(exporter.store, kept)
        copy.rename(exporter.store)
        eventually(lambda: refuses(exporter))
        senders.wait_for_answer(503, more=20)
        killed(exporter)
        before = exporter.store.read_bytes()
        assert "belongs to another file" in refused_start(tmp_path)
        assert exporter.store.read_bytes() == before
        kept.rename(exporter.store)
        exporter = start()
        senders.wait_for(50)
    assert is_whole(exporter.store)
    figure(f"{how} over the store, kill -9, the old file put back: {senders.exact(exporter)}")


@pytest.mark.parametrize("how", ["VACUUM INTO", "backup"])
def test_an_older_copy_written_over_the_store_in_place_is_noticed_at_the_next_commit(
    how: str, start: Start, tmp_path: Path, figure: Figure
):
    exporter = start()
    with Senders(exporter.public, pause=0.002) as senders:
        senders.wait_for(100)
    counted = exporter.metric("billing_events_total", tenant="prod", type="other")
    copy = copied(exporter, tmp_path / "copy.db", how)
    if how == "backup":
        exporter.stop()
        exporter = start()
    with Senders(exporter.public, pause=0.002, name="later", port_now=lambda: exporter.public) as senders:
        senders.wait_for(100)
        shutil.copyfile(copy, exporter.store)
        acknowledged = senders.acknowledged
        eventually(lambda: refuses(exporter))
        senders.wait_for_answer(503, more=20)
        killed(exporter)
        until_killed = senders.acknowledged
        assert "belongs to another file" in refused_start(tmp_path)
        without_log(exporter, tmp_path)
        exporter = start()
        senders.wait_for(20)
    assert until_killed - acknowledged <= 4, "no more than one of each sender was on its way"
    assert is_whole(exporter.store)
    anew = senders.acknowledged - until_killed
    assert exporter.metric("billing_events_total", tenant="prod", type="other") == (counted or 0) + anew
    figure(
        f"{how} copied over the store: {until_killed - acknowledged} acknowledged later; then the copy's"
        f" {int(counted or 0)} and {anew} new ones are counted"
    )


def test_a_stop_does_not_write_the_log_into_a_file_that_was_put_in_the_place_of_its_own(
    start: Start, tmp_path: Path
):
    exporter = start()
    assert exporter.send("first").status == 200
    copy = copied(exporter, tmp_path / "copy.db", "VACUUM INTO")
    before = copy.read_bytes()
    assert exporter.send("second").status == 200
    shutil.copyfile(copy, exporter.store)
    assert exporter.stop() == 0
    assert exporter.store.read_bytes() == before
    assert "belongs to another file" in refused_start(tmp_path)


def test_an_index_of_the_log_that_is_cut_while_it_serves_loses_nothing_and_it_goes_on(
    start: Start, figure: Figure
):
    exporter = start()
    with Senders(exporter.public, pause=0.002, port_now=lambda: exporter.public) as senders:
        for _ in range(ROUNDS):
            senders.wait_for(50)
            os.truncate(f"{exporter.store}-shm", 0)
            senders.wait_for(100)
            eventually(lambda: exporter.get("/-/ready").status == 200)
        killed(exporter)
        exporter = start()
        senders.wait_for(20)
    assert is_whole(exporter.store)
    figure(f"-shm cut {ROUNDS} time(s), then kill -9: {senders.exact(exporter)}")


def test_an_older_moment_of_all_files_put_back_while_it_serves_is_noticed_by_every_process(
    start: Start, figure: Figure
):
    exporter = start()
    with Senders(exporter.public, pause=0.002, port_now=lambda: exporter.public) as senders:
        senders.wait_for(50)
        older = [(file, file.read_bytes()) for file in stored(exporter)]
        senders.wait_for(100)
        for file, content in older:
            with file.open("r+b") as opened:
                opened.write(content)
                opened.truncate()
        acknowledged = senders.acknowledged
        eventually(partial(refuses, exporter))
        senders.wait_for_answer(503, more=20)
        until_killed = senders.acknowledged
        killed(exporter)
        exporter = start()
        senders.wait_for(20)
    assert until_killed - acknowledged <= 4, "no more than one of each sender was on its way"
    assert (
        "the store's log was cut short: what was committed last is not counted"
        in exporter.log_file.read_text()
    )
    assert is_whole(exporter.store)
    figure(
        f"file, log and index of an older moment put back: {until_killed - acknowledged} acknowledged later"
    )
