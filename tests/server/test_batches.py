"""Requests that the worker's loop answers together: none of them waits for what it does not need."""

from __future__ import annotations

import contextlib
import http.client
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask, Response
from running_exporter import SECRET, ask, event, eventually

from bw_exporter.durable_answer import DurableAnswer
from bw_exporter.errors import StoreUnavailableError
from bw_exporter.sender import sign
from bw_exporter.serving import batch
from bw_exporter.serving.batch import LARGEST_BATCH, Batch
from bw_exporter.serving.in_loop import PATIENCE_SECONDS
from bw_exporter.serving.submissions import Submissions
from bw_exporter.store.sqlite.file_lock import FileLock

if TYPE_CHECKING:
    from running_exporter import RunningExporter, Start

    from bw_exporter.store import Outcome


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
            time.sleep(0.3)  # each worker takes in what it has been sent
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
        answers = []
        for _ in range(5):
            answer = http.client.HTTPResponse(connection, method="POST")
            answer.begin()
            answers.append((answer.status, answer.read().split()[0]))
    assert answers == [
        (200, b"accepted"),
        (404, b"no"),
        (200, b"accepted"),
        (200, b"redelivered"),
        (404, b"no"),
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
        self.broken: StoreUnavailableError | None = None
        self.app = Flask(__name__)
        self.batch = Batch(self, self, lambda: self.now)  # type: ignore[arg-type]

    def try_write(self, works: list[Callable[[Any], Any]]) -> list[Outcome] | None:
        if self.broken:
            raise self.broken
        if not self.free:
            return None
        self.groups.append(len(works))
        return [(work(None), None) for work in works]

    def submit(self, work: Callable[[Any], Any], then: Callable[[Outcome], None]) -> Callable[[], bool]:
        number = work(None)
        self.submitted[number] = then
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
        assert conn.patient

    def asks(self, number: int) -> None:
        self.batch.take(Asking(self, number))  # type: ignore[arg-type]


class Asking:
    """A connection and its exchange in one."""

    def __init__(self, handed: Handed, number: int) -> None:
        self.handed, self.number = handed, number
        self.conn = self
        self.patient = True

    def send(self, body: Any) -> bool:
        assert not self.patient
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
    handed.batch.step(idle=True)
    assert handed.groups == [2, LARGEST_BATCH, 1]


def test_a_store_that_stays_held_is_asked_ever_more_seldom_and_who_loses_patience_is_told():
    handed = Handed()
    handed.free = False
    handed.asks(1)
    pauses = []
    for _ in range(50):
        handed.batch.step(idle=True)
        pauses.append(handed.batch.pause())
    assert pauses == sorted(pauses)
    assert pauses[0] == 0, "a commit of another worker is soon over"
    assert 0 < pauses[-1] <= 0.05, "a store that hangs is not"
    handed.now = PATIENCE_SECONDS / 2
    handed.asks(2)
    handed.batch.step(idle=True)
    assert handed.answers == {}
    handed.now = PATIENCE_SECONDS
    handed.batch.step(idle=True)
    assert handed.answers.keys() == {1}
    assert "did not commit within 8 s" in handed.answers[1]
    handed.free = True
    handed.batch.step(idle=True)
    assert handed.answers[2] == "2"


def test_a_store_that_cannot_commit_fails_all_of_its_group_and_no_other():
    handed = Handed()
    handed.broken = StoreUnavailableError("disk full")
    for number in range(3):
        handed.asks(number)
    handed.batch.step(idle=True)
    assert handed.answers == dict.fromkeys(range(3), "disk full")
    handed.broken = None
    handed.asks(4)
    handed.batch.step(idle=True)
    assert handed.answers[4] == "4"


def submissions(handed: Handed) -> None:
    handed.batch = Submissions(  # type: ignore[assignment]
        handed,
        handed,  # type: ignore[arg-type]
        lambda function, *arguments: function(*arguments),
        lambda: handed.now,
    )


def test_what_a_distant_store_has_committed_is_answered_when_it_is_in_whatever_order():
    handed = Handed()
    submissions(handed)
    for number in (1, 2):
        handed.asks(number)
    handed.batch.step(idle=False)
    assert handed.submitted.keys() == {1, 2}
    assert handed.batch.pause() == PATIENCE_SECONDS
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
    handed.now = PATIENCE_SECONDS
    handed.batch.step(idle=True)
    assert "did not commit within 8 s" in handed.answers.pop(1)
    assert (1 in handed.submitted) == begun
    then(("1", None))
    assert handed.answers == {}
    assert handed.batch.pause() == 1.0
    handed.submitted[2](("2", None))
    assert handed.answers == {2: "2"}
