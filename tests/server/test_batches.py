"""Requests that the worker's loop answers together: none of them waits for what it does not need."""

from __future__ import annotations

import contextlib
import re
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask, Response
from gunicorn.config import Config

from bw_exporter.errors import StoreUnavailableError
from bw_exporter.serving.http import batch
from bw_exporter.serving.http.batch import Batch
from bw_exporter.serving.http.connection import Connection
from bw_exporter.serving.http.in_loop import LARGEST_BATCH
from bw_exporter.serving.http.submissions import Submissions
from bw_exporter.serving.worker import PrivateWorker, PublicWorker
from bw_exporter.store import PromptStore, open_store
from bw_exporter.store.protocol import COMMIT_TIMEOUT_SECONDS
from bw_exporter.store.sqlite.file.file_lock import FileLock
from bw_exporter.webhook.durable_answer import DurableAnswer
from bw_simulator.sender import sign
from support.exporter import SECRET, ask, event, eventually

if TYPE_CHECKING:
    from bw_exporter.store import Outcome
    from support.exporter import RunningExporter, Start


@contextlib.contextmanager
def held_by_a_process_of_ours(exporter: RunningExporter) -> Iterator[None]:
    lock = FileLock(f"{exporter.store}.lock")
    with lock.held():
        yield
    lock.close()


@contextlib.contextmanager
def held_by_a_stranger(exporter: RunningExporter) -> Iterator[None]:
    with contextlib.closing(sqlite3.connect(exporter.store, isolation_level=None, timeout=30)) as stranger:
        stranger.execute("BEGIN IMMEDIATE")
        yield


def signed(number: int | str) -> tuple[bytes, dict[str, str]]:
    body = event(number)
    return body, {"Stripe-Signature": sign(body, SECRET, int(time.time()))}


def raw_post(number: int | str) -> bytes:
    body, headers = signed(number)
    head = f"POST /webhooks/prod HTTP/1.1\r\nHost: test\r\nContent-Length: {len(body)}\r\n"
    return (
        head + "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n"
    ).encode() + body


@pytest.mark.parametrize("held", [held_by_a_process_of_ours, held_by_a_stranger])
def test_while_the_store_is_held_what_needs_none_is_answered_and_events_are_as_soon_as_it_is_free(
    start: Start, held: Callable[[RunningExporter], contextlib.AbstractContextManager[None]]
):
    exporter = start()
    with ThreadPoolExecutor(12) as pool:
        with held(exporter):
            events = [pool.submit(exporter.send, number) for number in range(12)]
            for _ in range(20):
                assert exporter.send(1, secret="whsec_of_somebody_else_entirely_00").status == 400
                assert ask(exporter.public, "POST", "/webhooks/nobody").status == 404
            assert not any(each.done() for each in events)
        assert {each.result(10).text for each in events} == {"accepted\n"}
    assert exporter.requests("accepted") == 12


def test_requests_that_arrive_together_share_a_transaction(start: Start):
    exporter = start()
    before = exporter.metric("billingwatch_store_commits_total") or 0
    with ThreadPoolExecutor(40) as pool:
        with held_by_a_process_of_ours(exporter):
            events = [pool.submit(exporter.send, number) for number in range(40)]
            assert not any(each.done() for each in events)
            connected = f"/proc/{exporter.process.pid}/net/tcp"
            eventually(lambda: _established(connected, exporter.public) >= 40)
        assert {each.result(10).text for each in events} == {"accepted\n"}
    commits = (exporter.metric("billingwatch_store_commits_total") or 0) - before
    assert commits < 20, "two workers, one transaction each; more where a machine is slow to send"


def _established(path: str, port: int) -> int:
    with open(path, encoding="ascii") as table:  # noqa: PTH123 - /proc
        rows = [line.split() for line in table][1:]
    return sum(row[1].endswith(f":{port:04X}") and row[3] == "01" for row in rows)


def test_events_in_one_segment_are_all_answered_in_their_order(start: Start):
    exporter = start()
    with socket.create_connection(("127.0.0.1", exporter.public), timeout=10) as connection:
        bad = b"POST /webhooks/nobody HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n"
        connection.sendall(b"".join([raw_post(1), bad, raw_post(2), raw_post(1), bad]))
        said, answer = b"", re.compile(rb"HTTP/1.1 (\d+) .*?\r\n\r\n(\w+)[^\n]*\n", re.DOTALL)
        while len(answer.findall(said)) < 5:
            said += connection.recv(65536)
    assert answer.findall(said) == [
        (b"200", b"accepted"),
        (b"404", b"no"),
        (b"200", b"accepted"),
        (b"200", b"redelivered"),
        (b"404", b"no"),
    ]


def test_a_client_that_takes_no_answers_keeps_nobody_waiting(start: Start):
    exporter = start("tenants: {prod: {webhook_secret: " + SECRET + "}}\n", "--web.workers", "1")
    request = b"POST /webhooks/nobody HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n" * 500
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", exporter.public))
        deaf.settimeout(5)
        with pytest.raises(OSError, match=r"reset|[Bb]roken pipe"):
            _send_on(deaf, request)
    for number in range(5):
        assert exporter.send(number).status == 200


def _send_on(connection: socket.socket, request: bytes) -> None:
    for _ in range(2000):
        connection.sendall(request)


class Handed:
    """A loop and a store for a batch alone; the clock is the test's."""

    def __init__(self) -> None:
        self.now = 0.0
        self.free = True
        self.groups: list[int] = []
        self.answers: dict[int, str] = {}
        self.submitted: dict[int, Callable[[Outcome], None]] = {}
        self.broken: Exception | None = None
        self.app = Flask(__name__)
        self.again: Asking | None = None
        self.batch = Batch(self, self, self.defer, lambda: self.now)  # type: ignore[arg-type]

    def defer(self, function: Callable[..., None], *arguments: Any) -> None:
        function(*arguments)

    def try_write(self, works: list[Callable[[Any], Any]]) -> list[Outcome] | None:
        if self.broken:
            raise self.broken
        if not self.free:
            return None
        self.groups.append(len(works))
        return [(work(None), None) for work in works]

    def submit(
        self, work: Callable[[Any], Any], then: Callable[[Outcome], None], after_all: Callable[[], None]
    ) -> Callable[[], bool]:
        number = work(None)

        def told(outcome: Outcome) -> None:
            then(outcome)
            after_all()

        self.submitted[number] = told
        return lambda: self.free and bool(self.submitted.pop(number, None))

    def exchange(self, conn: Any) -> tuple[Any, Any]:
        def conclude(outcome: Outcome) -> Response:
            return Response(str(outcome[0] if outcome[1] is None else outcome[1]))

        answer = DurableAnswer(lambda _tx: conn.number, self, conclude)  # type: ignore[arg-type]
        return conn, answer({"REQUEST_METHOD": "POST"}, lambda *_args: None)  # type: ignore[arg-type,return-value]

    def attempt(self, _conn: Any, step: Callable[[], Any]) -> Any:
        return step()

    def finish_request(self, conn: Any, keep: bool) -> None:
        assert keep
        assert conn.may_block
        if self.again:
            self.batch.take(self.again)  # type: ignore[arg-type]
            self.again = None

    def asks(self, number: int) -> None:
        self.batch.take(Asking(self, number))  # type: ignore[arg-type]


class Asking:
    """A connection and its exchange in one."""

    def __init__(self, handed: Handed, number: int) -> None:
        self.handed, self.number = handed, number
        self.conn = self
        self.may_block = True

    def send(self, body: Any) -> bool:
        assert not self.may_block
        self.handed.answers[self.number] = b"".join(body).decode()
        return True


def test_a_request_alone_is_committed_once_nothing_more_comes():
    handed = Handed()
    assert handed.batch.pause() == float("inf")
    handed.asks(1)
    handed.batch.step(idle=False)
    assert handed.groups == []
    assert handed.batch.pause() == 0
    handed.batch.step(idle=True)
    assert handed.answers == {1: "1"}
    assert handed.batch.pause() == float("inf")


def test_those_who_go_on_arriving_keep_the_first_no_longer_than_is_promised():
    handed = Handed()
    handed.asks(1)
    handed.batch.step(idle=False)
    handed.now += batch.GATHER_SECONDS
    handed.asks(2)
    handed.batch.step(idle=False)
    assert handed.answers == {1: "1", 2: "2"}
    for number in range(LARGEST_BATCH + 1):
        handed.asks(number)
    handed.batch.step(idle=False)
    assert handed.groups == [2, LARGEST_BATCH], "and a large group goes at once"
    handed.batch.step(idle=False)
    handed.batch.step(idle=True)
    assert handed.groups == [2, LARGEST_BATCH, 1]


def test_a_store_that_is_held_is_asked_for_a_moment_and_then_waited_for_in_the_queue_of_all():
    handed = Handed()
    handed.free = False
    handed.asks(1)
    for _ in range(5):
        handed.batch.step(idle=True)
    assert handed.batch.pause() == 0
    assert handed.submitted == {}
    handed.now = batch.TURN_SECONDS
    handed.asks(2)
    handed.batch.step(idle=True)
    assert handed.submitted.keys() == {1, 2}
    assert handed.batch.pause() == COMMIT_TIMEOUT_SECONDS - batch.TURN_SECONDS
    handed.submitted[2](("2", None))
    handed.submitted[1](("1", None))
    assert handed.answers == {1: "1", 2: "2"}
    assert handed.batch.pause() == float("inf")


def test_who_loses_patience_in_the_queue_is_told_and_the_younger_wait_on():
    handed = Handed()
    handed.free = False
    for number in (1, 2):
        handed.asks(number)
        handed.batch.step(idle=True)
        handed.now += batch.TURN_SECONDS
        handed.batch.step(idle=True)
    handed.now = COMMIT_TIMEOUT_SECONDS
    handed.batch.step(idle=True)
    assert handed.answers.keys() == {1}
    assert "did not commit within 8 s" in handed.answers[1]
    handed.submitted[2](("2", None))
    assert handed.answers[2] == "2"


def test_a_request_that_came_along_with_the_one_before_is_asked_without_a_pause():
    handed = Handed()
    handed.again = Asking(handed, 2)
    handed.asks(1)
    handed.batch.step(idle=False)
    handed.batch.step(idle=True)
    assert handed.answers == {1: "1"}
    assert handed.batch.pause() == 0, "the next request is there already"
    handed.batch.step(idle=False)
    handed.batch.step(idle=True)
    assert handed.answers == {1: "1", 2: "2"}


def test_a_step_asks_no_more_than_a_batch_so_that_the_loop_comes_round():
    handed = Handed()
    for number in range(2 * LARGEST_BATCH + 1):
        handed.asks(number)
    handed.batch.step(idle=False)
    assert len(handed.answers) == LARGEST_BATCH
    assert handed.batch.pause() == 0


@pytest.mark.parametrize("error", [StoreUnavailableError("disk full"), OSError("disk full")])
def test_a_store_that_cannot_commit_fails_all_of_its_group_and_no_other(error: Exception):
    handed = Handed()
    handed.broken = error
    for number in range(3):
        handed.asks(number)
    handed.batch.step(idle=True)
    assert handed.answers == dict.fromkeys(range(3), "disk full")
    handed.broken = None
    handed.asks(4)
    handed.batch.step(idle=True)
    assert handed.answers[4] == "4"


def submissions(handed: Handed) -> None:
    handed.batch = Submissions(handed, handed, handed.defer, lambda: handed.now)  # type: ignore[assignment,arg-type]


def test_what_a_distant_store_has_committed_is_answered_when_it_is_in_whatever_order():
    handed = Handed()
    submissions(handed)
    for number in (1, 2):
        handed.asks(number)
    handed.batch.step(idle=False)
    assert handed.submitted.keys() == {1, 2}
    assert handed.batch.pause() == COMMIT_TIMEOUT_SECONDS
    handed.submitted[2](("2", None))
    handed.submitted[1]((None, StoreUnavailableError("gone")))
    assert handed.answers == {1: "gone", 2: "2"}
    handed.batch.step(idle=True)
    assert handed.batch.pause() == float("inf")


@pytest.mark.parametrize("begun", [False, True])
def test_who_loses_patience_with_a_distant_store_is_told_once_and_what_was_not_begun_is_withdrawn(
    begun: bool,
):
    handed = Handed()
    submissions(handed)
    handed.free = not begun
    handed.asks(1)
    handed.batch.step(idle=True)
    handed.now = 1.0
    handed.asks(2)
    handed.batch.step(idle=True)
    then = handed.submitted[1]
    handed.now = COMMIT_TIMEOUT_SECONDS
    handed.batch.step(idle=True)
    assert "did not commit within 8 s" in handed.answers.pop(1)
    assert (1 in handed.submitted) == begun
    then(("1", None))
    assert handed.answers == {}
    assert handed.batch.pause() == 1.0
    handed.submitted[2](("2", None))
    assert handed.answers == {2: "2"}


def test_threads_that_write_on_and_on_keep_the_loop_from_nothing(tmp_path: Path):
    store = open_store(f"sqlite:///{tmp_path}/store.db")
    assert isinstance(store, PromptStore)
    over = threading.Event()

    def write_on() -> None:
        while not over.is_set():
            store.write(lambda _tx: time.sleep(0.001))

    handed, outcomes = Handed(), SimpleQueue[tuple[Any, ...]]()
    handed.batch = Batch(handed, store, lambda *call: outcomes.put(call))  # type: ignore[arg-type]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(4):
            pool.submit(write_on)
        for number in range(20):
            handed.asks(number)
            until = time.monotonic() + COMMIT_TIMEOUT_SECONDS / 2
            while number not in handed.answers and time.monotonic() < until:
                handed.batch.step(idle=True)
                with contextlib.suppress(Empty):
                    function, *arguments = outcomes.get_nowait()
                    function(*arguments)
        over.set()
    assert handed.answers == {number: str(number) for number in range(20)}
    store.close()


def test_a_thread_of_the_public_listener_waits_for_no_reader():
    assert PrivateWorker.waits_for_readers, "a scrape of megabytes takes a while"
    assert not PublicWorker.waits_for_readers
    client, server = socket.socketpair()
    with client, server:
        conn = Connection(Config(), server, "client", "server", time.monotonic() + 10)
        conn.may_block = PublicWorker.waits_for_readers
        with pytest.raises(BlockingIOError, match="takes no answers"):
            _send_all(conn)


def _send_all(conn: Connection) -> None:
    for _ in range(2000):
        conn.send(b"HTTP/1.1 404 Not Found\r\n" * 500)
