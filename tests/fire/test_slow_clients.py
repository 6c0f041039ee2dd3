from __future__ import annotations

import contextlib
import select
import socket
import time
from collections.abc import Callable

from support.exporter import ONE_TENANT, Start, ask, eventually, raw

from .crowd import LONG, Senders, allow_open_files, percentile, slow_clients

SLOW = 1000
DEADLINE_SECONDS = 10 if LONG else 2
HEAD = b"POST /webhooks/prod HTTP/1.1\r\nHost: test\r\n"
BEGINNINGS = (
    b"POST /webho",
    HEAD,
    HEAD + b"Content-Length: 1000\r\n\r\n{",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\na",
)


def test_a_thousand_slow_clients_hold_up_no_monitoring_and_are_gone_at_the_deadline(
    start: Start, figure: Callable[[str], None]
):
    allow_open_files(4096)
    exporter = start(ONE_TENANT, "--web.request-timeout", f"{DEADLINE_SECONDS}s")
    took = []
    with contextlib.ExitStack() as stack:
        begun = time.monotonic()
        clients = slow_clients(stack, exporter.public, SLOW, lambda each: BEGINNINGS[each % 4])
        while time.monotonic() - begun < DEADLINE_SECONDS:
            for path in ("/metrics", "/-/ready", "/"):
                asked = time.monotonic()
                assert exporter.get(path).status == 200
                took.append(time.monotonic() - asked)
            for client in clients[:: len(took)]:
                with contextlib.suppress(OSError):  # a byte now and then does not move the deadline
                    client.send(b"x")
        poller = select.poll()
        closed = set()
        for client in clients:
            poller.register(client, select.POLLIN)

        def all_closed() -> bool:
            for fd, _ in poller.poll(100):
                poller.unregister(fd)
                closed.add(fd)
            return len(closed) == SLOW

        eventually(all_closed, 30)
        freed = time.monotonic() - begun
        assert exporter.send("after").status == 200
    figure(
        f"{SLOW} slow clients: {len(took)} private answers, slowest {max(took) * 1000:.0f} ms;"
        f" with a deadline of {DEADLINE_SECONDS} s all gone after {freed:.1f} s"
    )


def test_honest_senders_are_answered_beside_as_many_slow_clients_as_there_is_room_for(
    start: Start, figure: Callable[[str], None]
):
    """Two workers have 1,000 places each. More of them, or half a body in chunks, which takes a thread until its
    deadline, are what the proxy keeps away."""
    allow_open_files(4096)
    exporter = start(ONE_TENANT, "--web.request-timeout", "30s")
    with contextlib.ExitStack() as stack:
        with Senders(exporter.public, 2, pause=0.01, name="alone") as alone:
            alone.wait_for(100)
        slow_clients(stack, exporter.public, SLOW, lambda each: BEGINNINGS[each % 3])
        with Senders(exporter.public, 2, pause=0.01, name="beside") as beside:
            beside.wait_for(1000 if LONG else 100)
    assert set(beside.answers) == {200}
    figure(
        f"p99 of an honest event {percentile(alone.took, 99) * 1000:.0f} ms alone,"
        f" {percentile(beside.took, 99) * 1000:.0f} ms beside {SLOW} slow clients"
    )


def test_clients_that_take_no_answers_hold_up_nobody(start: Start):
    exporter = start()
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            client = stack.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            client.connect(("127.0.0.1", exporter.public))
            client.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                client.send(b"GET /nothing HTTP/1.1\r\nHost: test\r\n\r\n" * 500)
        assert exporter.send("beside").status == 200
        assert exporter.get("/metrics").status == 200


def test_a_thousand_requests_in_one_go_are_answered_in_order(start: Start):
    exporter = start()
    one = HEAD + b"Content-Length: 2\r\n\r\n{}"
    other = b"GET /elsewhere HTTP/1.1\r\nHost: test\r\n\r\n"
    last = b"GET /elsewhere HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
    said, _ = raw(exporter.public, (one + other) * 500 + last)
    assert [part[:3] for part in said.split(b"HTTP/1.1 ")[1:]] == [b"400", b"404"] * 500 + [b"404"]
    assert ask(exporter.public, "GET", "/").status == 404
