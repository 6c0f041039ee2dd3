"""Moving a store into another: everything arrives, or nothing does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bw_exporter import cli, housekeeping
from bw_exporter.errors import BillingWatchError
from bw_exporter.metrics import catalog
from bw_exporter.metrics.series import Add, Observe
from bw_exporter.store import DeferredCheck, Finding, open_store
from bw_exporter.store.move import migrate
from bw_simulator.shop import events, objects
from bw_simulator.shop.ids import Ids

from .counts import NOW, add, deliver, shown, value

if TYPE_CHECKING:
    from bw_exporter.store import Transaction
    from support.postgres import PostgresServer


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/old.db"


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> str:
    return postgres.new_store()


def filled(url: str) -> None:
    """Make a store that has something in every table, words of every alphabet included."""
    ids = Ids("moved")
    with closing(open_store(url)) as store:
        store.register(["shop", "quiet"], NOW)
        customer = ids.new("cus")
        for number in range(40):
            charge = objects.charge(ids, created_at=NOW - number, amount=2000, customer=customer)
            deliver(store, events.event(ids, "charge.succeeded", charge, created_at=NOW - number))

        def work(tx: Transaction) -> None:
            tx.save("shop", "kind", 'k"\\,{}\t\n', b"\x00\xff\\x", NOW)
            tx.save("shop", "kind", "ü漢", b"", NOW)
            tx.defer(DeferredCheck("shop", "invoice_mismatch", "in_1", "sub_1", NOW + 900, b"{}"))
            tx.report(Finding(NOW, "shop", "duplicate_charge", {"charge": "ch_1", "text": "ü"}))
            tx.report(Finding(NOW, "shop", "duplicate_charge", {"charge": "ch_2"}))
            tx.mark("shop", -(2**63), (NOW, "ch_1"), NOW)
            tx.change("shop", (Add(catalog.REVENUE, ("usd",), 2**53), Observe(catalog.WEBHOOK_LAG, 7)))

        store.write(work)
        store.probe(NOW)


def test_everything_arrives_and_both_count_on_alike(sqlite_url: str, postgres_url: str) -> None:
    filled(sqlite_url)
    moved = migrate(sqlite_url, postgres_url)
    assert [each.table for each in moved if each.rows == 0] == []
    stores = [open_store(sqlite_url), open_store(postgres_url)]
    ids = Ids("later")
    charge = objects.charge(ids, created_at=NOW, amount=2000, customer="cus_1")
    again = events.event(ids, "charge.succeeded", charge, created_at=NOW)
    for store in stores:
        assert deliver(store, again, again) == ["accepted", "redelivered"]
        housekeeping.resolve_due(store, NOW + 3600)
    old, new = stores
    assert shown(old, ["shop", "quiet"]) == shown(new, ["shop", "quiet"])
    assert old.findings(tenant=None, since_at=0, limit=99) == new.findings(tenant=None, since_at=0, limit=99)
    topics = [store.write(lambda tx: tx.secret_topic("customer cus_1")) for store in stores]
    assert topics[0] == topics[1], "payers are known again"
    assert value(new, "shop", catalog.DUPLICATE_CHARGES) > 0
    for store in stores:
        store.close()


def test_there_and_back_again_is_the_same(sqlite_url: str, postgres_url: str, tmp_path: Path) -> None:
    filled(sqlite_url)
    there = migrate(sqlite_url, postgres_url)
    assert migrate(postgres_url, f"sqlite:///{tmp_path}/back.db") == there


def test_a_store_that_is_not_empty_is_refused_and_left_as_it_is(sqlite_url: str, postgres_url: str) -> None:
    filled(sqlite_url)
    with closing(open_store(postgres_url)) as store:
        store.write(add("another"))
        before = shown(store, ["another"])
        with pytest.raises(BillingWatchError, match="is not empty, it has series: give a new file, database"):
            migrate(sqlite_url, postgres_url)
        assert shown(store, ["another"]) == before


def test_a_store_that_is_not_there_is_not_made(postgres_url: str, tmp_path: Path) -> None:
    with pytest.raises(BillingWatchError, match=r"there is no store .*missing\.db"):
        migrate(f"sqlite:///{tmp_path}/missing.db", postgres_url)
    assert not (tmp_path / "missing.db").exists()


def test_a_store_in_use_is_refused(sqlite_url: str, postgres_url: str) -> None:
    filled(sqlite_url)
    stop = threading.Event()

    def probing() -> None:
        with closing(open_store(sqlite_url)) as store:
            now = NOW
            while not stop.wait(0.05):
                now += 1
                store.probe(now)

    exporter = threading.Thread(target=probing)
    exporter.start()
    try:
        with pytest.raises(BillingWatchError, match="stop every one of them first"):
            migrate(sqlite_url, postgres_url, lambda: NOW, watched_seconds=60)
    finally:
        stop.set()
        exporter.join()
    assert migrate(sqlite_url, postgres_url, lambda: NOW + 60)


_STOPPED = """
import os, sys, time
from bw_exporter.store import move
moved = move._moved
def last(table, source, target):
    if table.name == "pending":
        print("half-way", flush=True)
        time.sleep(600)
    return moved(table, source, target)
move._moved = last
move.migrate(sys.argv[1], sys.argv[2])
"""


@pytest.mark.parametrize("back", [False, True], ids=["to PostgreSQL", "to SQLite"])
def test_a_move_that_is_killed_half_way_leaves_nothing_and_can_be_made_again(
    sqlite_url: str, postgres_url: str, *, back: bool
) -> None:
    source, target = (postgres_url, sqlite_url) if back else (sqlite_url, postgres_url)
    filled(source)
    command = [sys.executable, "-c", _STOPPED, source, target]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "half-way\n"
        os.kill(child.pid, signal.SIGKILL)
    assert migrate(source, target)


def test_the_command_tells_what_it_moved(
    sqlite_url: str, postgres_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    filled(sqlite_url)
    assert cli.main(["migrate-store", sqlite_url, postgres_url]) == 0
    said = capsys.readouterr().out
    assert "events" in said
    assert "What a scrape shows is equal, byte for byte" in said
    assert cli.main(["migrate-store", sqlite_url, postgres_url]) == 1
    assert "is not empty" in capsys.readouterr().err
