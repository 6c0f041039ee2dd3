"""A PostgreSQL store in trouble: nothing is acknowledged that is not kept, and it goes on when the trouble ends."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import psycopg
import pytest

from bw_exporter.errors import StoreUnavailableError
from bw_exporter.metrics import catalog
from bw_exporter.metrics.series import Add
from bw_exporter.store import open_store
from bw_exporter.store.postgres.store import PostgresStore
from support.patience import limit
from support.postgres import NOBODY, PostgresServer

from .counts import NOW, add, value
from .cutting_proxy import Moment, cutting

if TYPE_CHECKING:
    from collections.abc import Callable

    from bw_exporter.store import Transaction

SOON = limit(60)


@pytest.fixture
def store(own: PostgresServer) -> Iterator[PostgresStore]:
    opened = PostgresStore(own.new_store())
    yield opened
    opened.close()


def once(event: str) -> Callable[[Transaction], bool]:
    """Work that counts an event the first time."""

    def work(tx: Transaction) -> bool:
        first = tx.remember_event(NOW, "shop", event)
        if first:
            tx.change("shop", (Add(catalog.CHARGE_ATTEMPTS),))
        return first

    return work


def _kill(server: PostgresServer) -> None:
    server.kill()


def _stop_at_once(server: PostgresServer) -> None:
    server.stop(signal.SIGQUIT)


def _restart(server: PostgresServer) -> None:
    server.stop(signal.SIGINT)


@pytest.mark.parametrize("end", [_kill, _stop_at_once, _restart])
def test_a_server_that_ends_under_load_loses_nothing_and_is_used_again_without_a_restart(
    own: PostgresServer, store: PostgresStore, end: Callable[[PostgresServer], None]
) -> None:
    stop, refused = threading.Event(), threading.Event()
    acknowledged: list[str] = []

    def sender(thread: int) -> None:
        number = 0
        while not stop.is_set():
            try:
                store.write(once(f"evt_{thread}_{number}"))
            except StoreUnavailableError:
                refused.set()
                stop.wait(0.02)  # and the same event again, as Stripe does
            else:
                acknowledged.append(f"evt_{thread}_{number}")
                number += 1

    def reach(number: int) -> None:
        until = time.monotonic() + SOON
        while len(acknowledged) < number and time.monotonic() < until:
            time.sleep(0.01)
        assert len(acknowledged) >= number

    with ThreadPoolExecutor(6) as pool:
        senders = [pool.submit(sender, thread) for thread in range(6)]
        reach(50)
        end(own)
        assert refused.wait(SOON)
        with pytest.raises(StoreUnavailableError, match="cannot be read"):
            store.samples("shop")
        own.start()
        reach(len(acknowledged) + 50)
        stop.set()
        for each in senders:
            each.result(SOON)
    assert len(acknowledged) == len(set(acknowledged))
    assert value(store, "shop") == len(acknowledged)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_commit_of_unknown_outcome_is_refused_and_counted_once_when_it_comes_again(
    own: PostgresServer, moment: Moment
) -> None:
    url = own.new_store()
    with cutting(own.folder) as proxy, closing(open_store(url)) as direct:
        through = url.replace(str(own.folder).replace("/", "%2F"), str(proxy.folder).replace("/", "%2F"))
        assert through != url
        with closing(open_store(through)) as store:
            store.write(once("evt_0"))
            proxy.arm(moment)
            with pytest.raises(StoreUnavailableError, match="cannot commit"):
                store.write(once("evt_1"))
            assert proxy.cut.is_set()
            assert store.write(once("evt_1")) is (moment == "before")
            assert store.write(once("evt_1")) is False
        assert value(direct, "shop") == 2


_HOLDS = """
import sys, time
from bw_exporter.errors import StoreUnavailableError
from bw_exporter.store.postgres.store import PostgresStore
store = PostgresStore(sys.argv[1])
def hold(tx):
    tx.remember_event(1, "shop", "evt_frozen")
    print("held", flush=True)
    sys.stdin.readline()
try:
    store._do(hold)
except StoreUnavailableError as error:
    print("refused", flush=True)
print(store.write(lambda tx: tx.remember_event(1, "shop", "evt_frozen")), flush=True)
"""


def test_a_frozen_replica_that_holds_the_lock_does_not_stop_the_others_and_counts_on_when_it_wakes(
    own: PostgresServer,
) -> None:
    url = own.new_store()
    with closing(open_store(url)) as store:
        command = [sys.executable, "-c", _HOLDS, url]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdin is not None
            assert child.stdout is not None
            assert child.stdout.readline() == "held\n"
            child.send_signal(signal.SIGSTOP)
            try:
                store.write(add("shop"))  # waits, and is not refused
            except BaseException:
                child.kill()
                raise
            child.send_signal(signal.SIGCONT)
            child.stdin.write("\n")
            child.stdin.flush()
            assert child.stdout.readline() == "refused\n"
            assert child.stdout.readline() == "True\n"
        assert store.write(lambda tx: tx.knows_event(1, "shop", "evt_frozen"))


@contextmanager
def frozen(server: PostgresServer) -> Iterator[None]:
    main = psutil.Process(server.pid)
    everything = [main, *main.children(recursive=True)]
    for process in everything:
        process.suspend()
    try:
        yield
    finally:
        for process in everything:
            process.resume()


def test_a_frozen_server_is_unavailable_until_it_wakes(own: PostgresServer, store: PostgresStore) -> None:
    store.write(once("evt_0"))
    store.samples("shop")
    connections = [store._writer.connection(), store._reader._kept]
    for connection in connections:
        assert connection is not None
        connection.answer_seconds = 0.3
    with frozen(own), pytest.raises(StoreUnavailableError, match=r"did not answer within 0\.3 s"):
        store.write(once("evt_1"))
    store.write(once("evt_1"))
    assert value(store, "shop") == 2


@contextmanager
def standby_missing(server: PostgresServer) -> Iterator[None]:
    """Have every commit wait for a standby that never comes."""
    server.sql("ALTER SYSTEM SET synchronous_standby_names = 'missing'")
    server.sql("SELECT pg_reload_conf()")
    try:
        until = time.monotonic() + SOON
        while server.sql("SHOW synchronous_standby_names") != [("missing",)] and time.monotonic() < until:
            time.sleep(0.01)
        # Each of the server's processes takes a new setting in its own time, and a new one at once.
        cut_off(server)
        yield
    finally:
        server.sql("ALTER SYSTEM RESET synchronous_standby_names")
        server.sql("SELECT pg_reload_conf()")


def test_a_commit_that_waits_for_a_standby_is_not_acknowledged_before_it_is_there(
    own: PostgresServer, store: PostgresStore
) -> None:
    store.write(once("evt_0"))
    with standby_missing(own):
        store._writer.close()
        store._writer.connection().answer_seconds = 0.5
        with pytest.raises(StoreUnavailableError, match="did not answer"):
            store.write(once("evt_1"))
    until = time.monotonic() + SOON
    while time.monotonic() < until:
        try:
            store.write(once("evt_1"))
            break
        except StoreUnavailableError:
            time.sleep(0.05)
    assert value(store, "shop") == 2


def test_a_commit_whose_wait_for_a_standby_is_cancelled_is_not_acknowledged(
    own: PostgresServer, store: PostgresStore
) -> None:
    store.write(once("evt_0"))
    with standby_missing(own), ThreadPoolExecutor(1) as pool:
        written = pool.submit(store.write, once("evt_1"))
        waiting = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
        until = time.monotonic() + SOON
        while not own.sql(waiting) and time.monotonic() < until:
            time.sleep(0.01)
        with pytest.raises(StoreUnavailableError, match="wait for a synchronous standby was cancelled"):
            written.result(SOON)
    assert store.write(once("evt_1")) is False, "it is on the primary, and counts once when it comes again"
    assert value(store, "shop") == 2


def cut_off(server: PostgresServer) -> None:
    """Have every store connect anew."""
    server.sql(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = 'billingwatch'"
    )


def test_a_database_that_becomes_read_only_is_unavailable_until_it_is_not(
    own: PostgresServer, store: PostgresStore
) -> None:
    store.write(add("shop"))
    own.sql("ALTER DATABASE postgres SET default_transaction_read_only = on")
    try:
        cut_off(own)
        with pytest.raises(StoreUnavailableError, match="read-only transaction"):
            store.write(add("shop"))
        assert value(store, "shop") == 1, "reading goes on"
    finally:
        writing = own.url(options="-cdefault_transaction_read_only=off")
        own.sql("ALTER DATABASE postgres RESET default_transaction_read_only", writing)
        cut_off(own)
    store.write(add("shop"))
    assert value(store, "shop") == 2


def test_a_table_that_is_away_while_a_backup_is_restored_makes_it_unavailable_to_readers(
    own: PostgresServer,
) -> None:
    url = own.new_store()
    with closing(PostgresStore(url)) as store:
        store.register(["shop"], NOW)
        own.sql("ALTER TABLE bw_series RENAME TO bw_away", url)
        for _ in range(2):  # on the connection that was kept, and on a new one
            with pytest.raises(StoreUnavailableError, match="bw_series"):
                store.samples("shop")
        own.sql("ALTER TABLE bw_away RENAME TO bw_series", url)
        assert value(store, "shop") == 0


def test_a_role_that_may_not_write_is_unavailable_and_told_what_it_may_not(own: PostgresServer) -> None:
    url = own.new_store()
    open_store(url).close()
    schema = url.rpartition("%3D")[2]
    own.sql("CREATE ROLE looker LOGIN")
    own.sql(
        f"GRANT USAGE ON SCHEMA {schema} TO looker; GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO looker"
    )
    with closing(open_store(url.replace("postgres@", "looker@"))) as store:
        with pytest.raises(StoreUnavailableError, match="permission denied for table bw_meta"):
            store.write(add("shop"))
        own.sql(f"GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO looker")
        store.write(add("shop"))
        assert value(store, "shop") == 1


@pytest.fixture
def small_disk(own: PostgresServer) -> Iterator[Path]:
    """A disk of 2 MiB that the server keeps tables on; only root can have one."""
    folder = own.folder / "disk"
    folder.mkdir()
    mount = shutil.which("mount") or "mount"
    command = [mount, "-t", "tmpfs", "-o", "size=2m,mode=777", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    (folder / "tables").mkdir()
    os.chown(folder / "tables", NOBODY, NOBODY)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_unavailable_and_counts_again_when_there_is_room(
    own: PostgresServer, small_disk: Path
) -> None:
    own.sql(f"CREATE TABLESPACE small LOCATION '{small_disk}/tables'")
    url = own.new_store()
    schema = url.rpartition("%3D")[2]
    with closing(open_store(f"{url}%20-cdefault_tablespace%3Dsmall")) as store:
        store.write(add("shop"))
        ballast = small_disk / "ballast"
        with pytest.raises(OSError, match="No space left"):
            ballast.write_bytes(b"x" * (1 << 21))
        with pytest.raises(StoreUnavailableError, match="cannot commit: could not extend file"):
            store.write(lambda tx: [tx.save("shop", "charge", f"{n}", b"x" * 1500, NOW) for n in range(1000)])
        before = value(store, "shop")
        ballast.unlink()
        store.write(add("shop"))
        assert value(store, "shop") == before + 1
    own.sql(f"DROP SCHEMA {schema} CASCADE")
    own.sql("DROP TABLESPACE small")


def test_work_is_done_again_where_the_database_asks_for_that(store: PostgresStore) -> None:
    tries: list[int] = []

    def work(_tx: Transaction) -> int:
        tries.append(1)
        if len(tries) < 3:
            raise psycopg.errors.SerializationFailure("could not serialize access")
        return len(tries)

    assert store._do(work) == 3


def test_one_that_keeps_asking_is_unavailable(store: PostgresStore) -> None:
    def work(_tx: Transaction) -> None:
        raise psycopg.errors.DeadlockDetected("deadlock detected")

    with pytest.raises(StoreUnavailableError, match="cannot commit: deadlock detected"):
        store.write(work)
    store.write(add("shop"))
    assert value(store, "shop") == 1
