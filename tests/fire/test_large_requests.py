from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable

import pytest

from support.exporter import RunningExporter, Start
from support.patience import limit

from .crowd import LONG, Senders, resident_kib

GIB, MIB = 1 << 30, 1 << 20
CLIENTS = 32 if LONG else 8
HEAD = b"POST /webhooks/prod HTTP/1.1\r\nHost: test\r\n"
PIECE = b" " * 65_536
MOST_GROWTH_MIB = 192
"""16 threads of a worker may hold a MiB of body each, some of it several times; a GiB each would be far more."""


def poured(port: int, head: bytes, piece: bytes, most: int) -> tuple[int, bytes]:
    """Send until the server has had enough; return how much it took and what it said."""
    sent, said = 0, b""
    with socket.create_connection(("127.0.0.1", port), timeout=limit(60)) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(head)
            while sent < most:
                sent += connection.send(piece)
        with contextlib.suppress(OSError):
            while part := connection.recv(4096):
                said += part
    return sent, said


def crowd(exporter: RunningExporter, head: bytes, piece: bytes) -> tuple[int, list[bytes], float]:
    """Have many pour at once beside honest senders; return the most one sent, the answers, MiB grown."""
    workers = exporter.workers("public")
    before = resident_kib(workers)
    results: list[tuple[int, bytes]] = []
    with Senders(exporter.public, 2, pause=0.01) as honest:
        honest.wait_for(10)
        threads = [
            threading.Thread(target=lambda: results.append(poured(exporter.public, head, piece, GIB)))
            for _ in range(CLIENTS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        honest.wait_for(10)
    assert set(honest.answers) == {200}
    assert exporter.workers("public") == workers, "no worker was lost"
    growth = (resident_kib(workers) - before) / 1024
    assert growth < MOST_GROWTH_MIB
    return max(sent for sent, _ in results), [said for _, said in results if said], growth


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        pytest.param(b"Content-Length: %d\r\n\r\n" % GIB, PIECE, id="announced"),
        pytest.param(
            b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % GIB, PIECE, id="announced and asked"
        ),
        pytest.param(b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + PIECE + b"\r\n", id="in chunks"),
        pytest.param(b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % GIB, PIECE, id="in one chunk"),
        pytest.param(b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n" * 8192, id="in chunks of a byte"),
    ],
)
def test_bodies_of_a_gibibyte_are_refused_and_fill_no_memory(
    start: Start, head: bytes, piece: bytes, figure: Callable[[str], None]
):
    most, said, growth = crowd(start(), HEAD + head, piece)
    refusal = b"HTTP/1.1 400 " if piece.startswith(b"1\r\n") else b"HTTP/1.1 413 "
    assert said
    assert all(answer.startswith(refusal) for answer in said)
    assert most < 64 * MIB, "what the kernel had taken by then, not a GiB"
    figure(
        f"{CLIENTS} at once: at most {most / MIB:.1f} MiB of 1024 got rid of, memory grew by {growth:.0f} MiB"
    )


@pytest.mark.parametrize(
    ("piece", "status"),
    [
        pytest.param(b"X-Any: a\r\n" * 6000, b"431", id="headers without end"),
        pytest.param(b"a" * 65_536, b"431", id="a header line without end"),
        pytest.param(b"\r\n" * 30_000, b"4", id="blank lines"),
    ],
)
def test_headers_without_end_are_refused_and_fill_no_memory(
    start: Start, piece: bytes, status: bytes, figure: Callable[[str], None]
):
    most, said, growth = crowd(start(), HEAD if status == b"431" else b"", piece)
    assert said
    assert all(answer.startswith(b"HTTP/1.1 " + status) for answer in said)
    assert most < 64 * MIB
    figure(f"{CLIENTS} at once: at most {most / MIB:.1f} MiB got rid of, memory grew by {growth:.0f} MiB")
