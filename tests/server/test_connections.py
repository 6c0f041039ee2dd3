from __future__ import annotations

import contextlib
import socket
import threading

import pytest

from support.exporter import RunningExporter, Start, ask, event, raw
from support.patience import limit

POST = b"POST /webhooks/prod HTTP/1.1\r\nHost: test\r\n"


def test_half_sent_requests_silence_neither_listener(start: Start):
    exporter = start()
    with contextlib.ExitStack() as open_connections:
        for number in range(300):
            half = open_connections.enter_context(socket.create_connection(("127.0.0.1", exporter.public)))
            half.sendall([b"", b"POST /webhooks", POST + b"Content-Length: 1000\r\n\r\n{"][number % 3])
        assert exporter.send(1).status == 200
        assert exporter.requests("accepted") == 1
        assert exporter.get("/-/ready").status == 200


@pytest.mark.parametrize("listener", ["public", "private"])
@pytest.mark.parametrize(
    "beginning",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"POST /webhooks/prod HT", id="half a request line"),
        pytest.param(POST, id="half a header"),
        pytest.param(POST + b"Content-Length: 100\r\n\r\n{", id="half a body"),
        pytest.param(POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab", id="half a chunk"),
        pytest.param(POST + b"Content-Length: 900000\r\n\r\n" + b" " * 500_000, id="half a large body"),
    ],
)
def test_a_request_that_is_not_whole_in_time_is_given_up(
    exporter: RunningExporter, listener: str, beginning: bytes
):
    said, seconds = raw(getattr(exporter, listener), beginning)
    # Not before its deadline of 1 s; and `raw` has given up by itself at half of gunicorn's own 30 s.
    assert seconds > 0.9
    assert said.startswith(b"HTTP/1.1 408 ") if beginning else said == b""


def test_bytes_that_keep_coming_do_not_move_the_deadline(exporter: RunningExporter):
    with socket.create_connection(("127.0.0.1", exporter.public), timeout=limit(10)) as connection:
        stop = threading.Event()

        def trickle() -> None:
            with contextlib.suppress(OSError):
                connection.sendall(POST)
                while not stop.wait(0.1):
                    connection.sendall(b"X-More: 1\r\n")

        thread = threading.Thread(target=trickle)
        thread.start()
        try:
            assert connection.recv(100).startswith(b"HTTP/1.1 408 ")
        finally:
            stop.set()
            thread.join()


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\r\n\r\n",
        b"GET\r\n\r\n",
        b"get / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: " + b"a" * 9000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 200 + b"\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        POST + b"Content-Length: -1\r\n\r\n",
        POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        POST + b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nab",
        POST + b"Transfer-Encoding: gzip\r\n\r\n",
        POST + b"Expect: 200-ok\r\n\r\n",
    ],
    ids=lambda data: repr(data[:40]),
)
def test_what_is_no_http_request_is_refused_as_the_clients_mistake(
    exporter: RunningExporter, request_bytes: bytes
):
    said, _ = raw(exporter.public, request_bytes)
    assert said.startswith(b"HTTP/1.1 4")


def test_a_body_above_the_limit_is_refused_however_it_comes(exporter: RunningExporter):
    large = b" " * 1_500_000
    assert ask(exporter.public, "POST", "/webhooks/prod", large).status == 413
    said, _ = raw(
        exporter.public,
        POST + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(large), large),
    )
    assert said.startswith(b"HTTP/1.1 413 ")
    said, _ = raw(exporter.public, POST + b"Content-Length: 99999999999\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 413 ")


def test_a_client_that_asks_before_it_sends_is_told_to_go_on(exporter: RunningExporter):
    said, _ = raw(
        exporter.public, POST + b"Expect: 100-continue\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"
    )
    assert said.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 400 ")


def test_requests_sent_in_one_go_are_answered_in_order(exporter: RunningExporter):
    one = POST + b"Content-Length: 2\r\n\r\n{}"
    other = b"GET /elsewhere HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
    said, _ = raw(exporter.public, one + one + other)
    assert [part[:3] for part in said.split(b"HTTP/1.1 ")[1:]] == [b"400", b"400", b"404"]


def test_a_connection_serves_many_requests_and_an_event_may_come_in_pieces(exporter: RunningExporter):
    body = event("pieces")
    head = POST + b"Content-Length: %d\r\n\r\n" % len(body)
    with socket.create_connection(("127.0.0.1", exporter.public), timeout=limit(10)) as connection:
        for _ in range(3):
            for piece in (head[:10], head[10:-2], head[-2:] + body[:5], body[5:]):
                connection.sendall(piece)
                threading.Event().wait(0.02)
            assert connection.recv(10_000).startswith(b"HTTP/1.1 400 ")


def test_the_private_paths_are_not_on_the_public_listener(exporter: RunningExporter):
    for path in ("/metrics", "/-/ready", "/findings", "/"):
        assert ask(exporter.public, "GET", path).status == 404
    assert ask(exporter.public, "POST", "/-/reload").status == 404
