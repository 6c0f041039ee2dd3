"""A store of every schema there ever was is opened by this version with all that it had counted."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from bw_exporter.store import open_store
from bw_exporter.store.sqlite.schema import LATEST
from support.exporter import RunningExporter
from support.listener import Listener
from support.patience import limit

from .keep_schema import STORES, shown

VERSIONS = range(1, LATEST + 1)


def kept(path: Path, version: int) -> None:
    """Make the store that a version left behind."""
    with closing(sqlite3.connect(path)) as store:
        store.executescript((STORES / f"schema-{version}.sql").read_text())
        store.execute(f"PRAGMA user_version = {version}")


@contextmanager
def opened(path: Path) -> Iterator[Listener]:
    store = open_store(f"sqlite:///{path}")
    try:
        yield Listener(store)
    finally:
        store.close()


@pytest.mark.parametrize("version", VERSIONS)
def test_every_count_is_there_after_the_upgrade_and_every_event_is_known(
    version: int, tmp_path: Path, figure: Callable[[str], None]
):
    path = tmp_path / "kept.db"
    kept(path, version)
    with closing(sqlite3.connect(path)) as store:
        known = store.execute("SELECT created_at, event FROM events WHERE tenant = 'shop'").fetchall()
    before = (STORES / f"schema-{version}.prom").read_text().splitlines()
    with opened(path) as listener:
        assert listener.store.schema_version == LATEST
        after = shown(listener).splitlines()
        assert set(before) <= set(after)
        redelivered = listener.requests("redelivered")
        for created, event in known:
            assert listener.deliver({"id": event, "type": "charge.succeeded", "created": created}) == 200
        assert listener.requests("redelivered") - redelivered == len(known) > 0
        telling = ("billing_events_ignored_total{", "billingwatch_", "billing_last_event_")
        counts = [line for line in after if not line.startswith(telling)]
        assert set(counts) <= set(shown(listener).splitlines()), "nothing counts again"
        listener.keep_house(7200)  # the questions that it was kept with are answered
        listener.check_exposition()
    with closing(sqlite3.connect(path)) as store:
        assert store.execute("PRAGMA user_version").fetchone() == (LATEST,)
        assert store.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    figure(f"schema {version} to {LATEST}: {len(before)} lines intact, {len(known)} events known")


def test_an_upgrade_has_the_tables_of_a_new_store(tmp_path: Path):
    def tables(path: Path) -> list[tuple[str, ...]]:
        with closing(sqlite3.connect(path)) as store:
            return sorted(store.execute("SELECT type, name, tbl_name, sql FROM sqlite_master"))

    open_store(f"sqlite:///{tmp_path}/new.db").close()
    for version in VERSIONS:
        path = tmp_path / f"kept-{version}.db"
        kept(path, version)
        open_store(f"sqlite:///{path}").close()
        assert tables(path) == tables(tmp_path / "new.db"), (
            "PYTHONPATH=tests python -m fire.keep_schema keeps a new schema"
        )


def test_there_is_a_kept_store_of_each_schema():
    assert {file.name for file in STORES.iterdir()} == {
        f"schema-{version}.{kind}" for version in VERSIONS for kind in ("sql", "prom")
    }


def test_a_newer_schema_ends_the_start_with_the_way_out(tmp_path: Path):
    path = tmp_path / "store.db"
    kept(path, LATEST)
    with closing(sqlite3.connect(path)) as store:
        store.execute(f"PRAGMA user_version = {LATEST + 1}")
    before = path.read_bytes()
    exporter = RunningExporter(tmp_path)
    assert exporter.process.wait(timeout=limit(30)) == 1
    said = exporter.log_file.read_text()
    assert f"has schema {LATEST + 1}, this version knows {LATEST}: upgrade billingwatch-exporter" in said
    assert path.read_bytes() == before
