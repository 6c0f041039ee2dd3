"""What every store promises of a write, whichever database keeps it."""

from __future__ import annotations

import multiprocessing
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from bw_exporter.metrics import catalog
from bw_exporter.metrics.series import Add, Observe, RaiseTo
from bw_exporter.store import DeferredCheck, Finding, Store, Transaction, open_store

from .counts import NOW, add, shown, value

if TYPE_CHECKING:
    from collections.abc import Callable

THREADS = 16


def test_a_commit_survives_reopening(url: str) -> None:
    finding = Finding(NOW, "shop", "duplicate_charge", {"charge": "ch_1", "amount": 2000})
    deferred = DeferredCheck("shop", "duplicate_charge", "ch_1", "ch_1", NOW, b"{}")
    first = open_store(url)
    first.register(["shop"], NOW)

    def work(tx: Transaction) -> None:
        assert tx.remember_event(NOW, "shop", "evt_1")
        tx.save("shop", "charge", "ch_1", b"\x00\xff", NOW + 10)
        tx.mark("shop", -7, (NOW, "ch_1"), NOW + 10)
        tx.defer(deferred)
        tx.report(finding)
        tx.change("shop", (Add(catalog.REFUNDS, (), 3), Observe(catalog.WEBHOOK_LAG, 7)))

    first.write(work)
    before = shown(first, ["shop"])
    first.close()
    again = open_store(url)

    def remembered(tx: Transaction) -> None:
        assert tx.knows_event(NOW, "shop", "evt_1")
        assert not tx.remember_event(NOW, "shop", "evt_1")
        assert tx.load("shop", "charge", "ch_1") == b"\x00\xff"
        assert tx.marks_around("shop", -7, (NOW, "z"), 0, 9) == ([(NOW, "ch_1")], [])
        assert tx.due(NOW, 9) == tx.deferred("shop", "duplicate_charge", "ch_1") == [deferred]

    again.write(remembered)
    assert again.findings(tenant=None, since_at=0, limit=9) == [finding]
    assert shown(again, ["shop"]) == before
    assert value(again, "shop", catalog.REFUNDS) == 3
    again.close()


def test_a_tenant_knows_nothing_of_another_tenants_events_and_objects(store: Store) -> None:
    def work(tx: Transaction) -> None:
        assert tx.remember_event(NOW, "one", "evt_1")
        assert tx.remember_event(NOW, "two", "evt_1")
        tx.save("one", "charge", "ch_1", b"{}", NOW)
        tx.mark("one", 1, (NOW, "ch_1"), NOW)
        assert tx.load("two", "charge", "ch_1") is None
        assert tx.marks_around("two", 1, (NOW, "z"), NOW, 9) == ([], [])
        assert not tx.saw_event_since("three", 0, besides="")
        assert not tx.saw_event_since("one", 0, besides="evt_1")
        assert tx.saw_event_since("one", NOW, besides="evt_2")
        assert not tx.saw_event_since("one", NOW + 1, besides="evt_2")

    store.write(work)


@pytest.mark.parametrize("committed", [True, False])
@pytest.mark.parametrize("number", [5, 200])
def test_the_marks_nearest_to_one_are_given_on_either_side(
    store: Store, number: int, committed: bool
) -> None:
    """Two of each second, fewer and more than are read at once, from the tables and from this transaction."""
    marks = [(at, f"ch_{name}") for at in range(number) for name in "ab"]
    middle = (number // 2, "ch_a")

    def mark(tx: Transaction) -> None:
        for each in marks:
            tx.mark("shop", 1, each, NOW)
            tx.mark("shop", 2, each, NOW)

    def around(tx: Transaction, within_seconds: int) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
        if not committed:
            mark(tx)
        return tx.marks_around("shop", 1, middle, within_seconds, 3)

    if committed:
        store.write(mark)
    place = marks.index(middle)
    before, after = store.write(lambda tx: around(tx, NOW))
    assert before == marks[place - 3 : place][::-1]
    assert after == marks[place + 1 : place + 4]
    assert store.write(lambda tx: around(tx, 0)) == ([], [(number // 2, "ch_b")])


def test_a_gauge_that_is_raised_never_falls(store: Store) -> None:
    for at in (5, 9, 7):
        store.write(lambda tx, at=at: tx.change("shop", (RaiseTo(catalog.LAST_EVENT, at),)))  # type: ignore[misc]
    assert value(store, "shop", catalog.LAST_EVENT) == 9


def test_threads_share_commits_and_each_gets_its_own_result(store: Store) -> None:
    store.register(["shop"], NOW)
    start = threading.Barrier(THREADS)

    def one(thread: int) -> list[tuple[int, int]]:
        def work(tx: Transaction, number: int) -> tuple[int, int]:
            tx.change("shop", (Add(catalog.CHARGE_ATTEMPTS),))
            return thread, number

        start.wait()
        return [store.write(lambda tx, number=number: work(tx, number)) for number in range(25)]  # type: ignore[misc]

    with ThreadPoolExecutor(THREADS) as pool:
        results = list(pool.map(one, range(THREADS)))
    assert results == [[(thread, number) for number in range(25)] for thread in range(THREADS)]
    assert value(store, "shop") == THREADS * 25
    commits = int(shown(store, []).split("billingwatch_store_commits_total ")[1].split()[0])
    assert 25 <= commits < THREADS * 25, "a commit held the work of several threads"


def of_no_type(tx: Transaction) -> None:
    tx.save("shop", "charge", "ch_1", None, NOW)  # type: ignore[arg-type]


def too_large(tx: Transaction) -> None:
    tx.remember_event(2**64, "shop", "evt_large")


def counts_too_much(tx: Transaction) -> None:
    tx.change("shop", (Add(catalog.REFUNDS, (), 2**64),))


def not_text(tx: Transaction) -> None:
    tx.remember_event(NOW, "shop", "evt_\ud800")


def gives_up(tx: Transaction) -> None:
    tx.change("shop", (Add(catalog.REFUNDS),))
    raise KeyError("mine")


@pytest.mark.parametrize("spoilt", [of_no_type, too_large, counts_too_much, not_text, gives_up])
def test_work_that_raises_spoils_none_but_itself(store: Store, spoilt: Callable[[Transaction], None]) -> None:
    start = threading.Barrier(THREADS)

    def one(thread: int) -> str:
        start.wait()
        for number in range(5):
            store.write(lambda tx, number=number: tx.remember_event(NOW, "shop", f"evt_{thread}_{number}"))  # type: ignore[misc]
            if thread % 4 == 0:
                with pytest.raises(Exception, match=r".") as caught:
                    store.write(spoilt)
                assert not isinstance(caught.value, ConnectionError)
            store.write(add("shop"))
        return "done"

    with ThreadPoolExecutor(THREADS) as pool:
        assert list(pool.map(one, range(THREADS))) == ["done"] * THREADS
    assert value(store, "shop") == THREADS * 5
    assert value(store, "shop", catalog.REFUNDS) == 0


def _count_in_a_process(url: str, name: str, number: int) -> None:
    store = open_store(url)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(store.write, [add("shop")] * number))
    store.write(lambda tx: tx.remember_event(NOW, "shop", name))
    store.close()


def test_two_processes_write_without_losing(url: str) -> None:
    spawned = multiprocessing.get_context("spawn")
    children = [spawned.Process(target=_count_in_a_process, args=(url, f"evt_{n}", 150)) for n in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0, 0]
    store = open_store(url)
    assert value(store, "shop") == 300
    store.close()


def test_a_probe_tells_how_long_a_durable_write_took(store: Store) -> None:
    assert 0 < store.probe(NOW) < 60
    assert store.size_bytes() > 0


def test_findings_are_given_newest_first_by_tenant_and_time(store: Store) -> None:
    found = [Finding(NOW + n, "one" if n % 2 else "two", "duplicate_charge", {"n": n}) for n in range(6)]
    for each in found:
        store.write(lambda tx, each=each: tx.report(each))  # type: ignore[misc]
    assert store.findings(tenant=None, since_at=0, limit=9) == found[::-1]
    assert store.findings(tenant="one", since_at=NOW + 2, limit=1) == [found[5]]
    assert store.findings(tenant="three", since_at=0, limit=9) == []
