from __future__ import annotations

import os
import signal
import socket
from contextlib import ExitStack

from bw_exporter.serving.http.share import ConnectionCounts, Share
from support.exporter import PATIENCE_SECONDS, Start, eventually

BURST = 32
REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def test_no_connection_waits_for_a_worker_that_hangs(start: Start):
    exporter = start()
    eventually(lambda: exporter.send("before").status == 200)
    hanging = exporter.workers("public")[0]
    os.kill(hanging, signal.SIGSTOP)
    try:
        with ExitStack() as stack:
            opened = [
                stack.enter_context(
                    socket.create_connection(("127.0.0.1", exporter.public), timeout=PATIENCE_SECONDS)
                )
                for _ in range(BURST)
            ]
            for connection in opened:
                connection.sendall(REQUEST)
            assert {connection.recv(12) for connection in opened} == {b"HTTP/1.1 404"}
    finally:
        os.kill(hanging, signal.SIGCONT)


def test_a_worker_that_holds_more_than_another_is_full():
    counts = ConnectionCounts(3)
    first, second = Share(counts, 0), Share(counts, 1)
    assert not first.is_full(100, now=10.0), "nobody else is there"
    second.note(5, now=10.0)
    assert not first.is_full(11, now=10.5)
    assert first.is_full(12, now=10.5)
    assert not first.is_full(12, now=12.0), "the other's loop has not turned for too long"
    second.note(5, now=12.0)
    second.leave()
    assert not first.is_full(12, now=12.0), "the other is stopping"
