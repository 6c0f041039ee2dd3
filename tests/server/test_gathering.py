from __future__ import annotations

import contextlib
import http.client
import itertools
import socket
import time
from typing import TYPE_CHECKING

from gunicorn.config import Config
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bw_exporter.serving.http.connection import Connection
from support.exporter import ask, event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.exporter import RunningExporter

CONFIG = Config()


@contextlib.contextmanager
def connected() -> Iterator[tuple[socket.socket, Connection]]:
    client, server = socket.socketpair()
    with client, server:
        yield client, Connection(CONFIG, server, ("127.0.0.1", 1), ("127.0.0.1", 2), time.monotonic() + 10)


@given(body=st.binary(max_size=3000), cuts=st.lists(st.integers(0, 3200), max_size=6))
def test_a_thread_is_called_when_the_last_byte_is_there_however_the_request_is_cut(
    body: bytes, cuts: list[int]
):
    request = b"POST /webhooks/prod HTTP/1.1\r\nHost: test\r\ncontent-LENGTH: %d\r\n\r\n%b" % (
        len(body),
        body,
    )
    places = sorted({0, len(request), *(cut for cut in cuts if cut < len(request))})
    with connected() as (client, connection):
        for start, end in itertools.pairwise(places):
            client.sendall(request[start:end])
            assert connection.receive() == (end == len(request))
        parsed = next(connection.begin())
        connection.read_body(parsed)
        assert parsed.body.read() == body
        assert not connection.await_next_request(time.monotonic() + 10)


@given(data=st.binary(min_size=1, max_size=300))
def test_random_bytes_are_gathered_without_an_error(data: bytes):
    with connected() as (client, connection):
        client.sendall(data)
        connection.receive()
        client.sendall(b"\r\n\r\n" + data)
        connection.receive()


header = st.tuples(
    st.sampled_from(
        ["Content-Length", "Transfer-Encoding", "Stripe-Signature", "Expect", "X-Any", "Connection"]
    ),
    st.sampled_from(
        ["0", "5", "-1", "1e3", "chunked", "gzip", "t=1,v1=é", "100-continue", "close", "\x00", " "]
    )
    | st.text(max_size=30),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    line=st.sampled_from(
        ["POST /webhooks/prod HTTP/1.1", "GET / HTTP/1.0", "POST * HTTP/1.1", "PUT //x HTTP/1.1"]
    )
    | st.text(max_size=60),
    headers=st.lists(header, max_size=4),
    body=st.binary(max_size=60) | st.just(b"5\r\nhello\r\n0\r\n\r\n") | st.just(b"ffffffffffffffffff\r\n"),
)
def test_nothing_a_stranger_sends_gets_a_server_error(
    exporter: RunningExporter, line: str, headers: list[tuple[str, str]], body: bytes
):
    head = "\r\n".join([line, *(f"{name}: {value}" for name, value in headers)]).encode()
    said = b""
    with socket.create_connection(("127.0.0.1", exporter.public), timeout=5) as connection:
        connection.sendall(head + b"\r\n\r\n" + body)
        connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            while part := connection.recv(65536):
                said += part
    for answer in said.split(b"HTTP/1.1 ")[1:]:
        assert answer[:1] in b"124", answer
    assert not exporter.entries("unexpectedly")


def test_after_all_that_it_serves_as_before(exporter: RunningExporter):
    assert exporter.send("after").status == 200
    with contextlib.closing(
        http.client.HTTPConnection("127.0.0.1", exporter.public, timeout=5)
    ) as connection:
        for _ in range(5):
            connection.request("POST", "/webhooks/prod", event("unsigned"))
            reply = connection.getresponse()
            reply.read()
            assert reply.status == 400
    assert ask(exporter.private, "GET", "/-/ready").status == 200
