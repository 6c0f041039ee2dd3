"""Those who send to an exporter under fire: honest ones that repeat until 200, as Stripe does, and others."""

from __future__ import annotations

import contextlib
import http.client
import os
import resource
import socket
import sqlite3
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from typing import Self

from bw_simulator.sender import sign
from support.exporter import SECRET, RunningExporter, event, eventually
from support.patience import limit

LONG = bool(os.environ.get("FIRE_LONG"))
"""Whether each fire burns in its long form: `make chaos` sets FIRE_LONG=1."""

PATIENCE_SECONDS = limit(60)


def changeless(name: str) -> Iterator[bytes]:
    """Give the bodies of distinct events that change nothing but the counts of requests and events, without end."""
    for number in count(1):
        yield event(f"{name}-{number}")


class Senders:
    """Threads that post distinct events; each event again until it is answered 200, as Stripe does.

    `bodies` gives each thread what it sends, by the thread's own name. `answers` counts every answer by
    status (0: none came, the connection was cut or refused) and `took` holds the seconds of each that was 200.
    """

    def __init__(
        self, port: int, number: int = 4, *, pause: float = 0.0, tls: ssl.SSLContext | None = None,
        name: str = "honest", port_now: Callable[[], int] | None = None,
        bodies: Callable[[str], Iterator[bytes]] = changeless,
    ) -> None:  # fmt: skip
        self._port, self._pause, self._tls, self._name = port_now or (lambda: port), pause, tls, name
        self._bodies = bodies
        self.acknowledged = 0
        self.answers: Counter[int] = Counter()
        self.took: list[float] = []
        self.failures: list[str] = []
        self.per_second = 0.0
        self._mutex, self._stop = threading.Lock(), threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(n,)) for n in range(number)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Have each finish the event it is at."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, more: int, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until so many more have been acknowledged."""
        wanted = self.acknowledged + more
        eventually(lambda: self.acknowledged >= wanted or self.failures, seconds)
        assert not self.failures, self.failures

    def wait_for_seconds(self, seconds: float) -> None:
        """Let them send for so long; `per_second` is then how many were acknowledged in a second."""
        begun, before = time.monotonic(), self.acknowledged
        self._stop.wait(seconds)
        assert not self.failures, self.failures
        self.per_second = (self.acknowledged - before) / (time.monotonic() - begun)

    def wait_for_answer(self, *statuses: int, more: int = 1) -> None:
        """Wait until one of these statuses was answered so often again."""
        before = sum(self.answers[status] for status in statuses)
        eventually(
            lambda: sum(self.answers[status] for status in statuses) >= before + more, PATIENCE_SECONDS
        )

    def exact(self, exporter: RunningExporter) -> str:
        """Compare, once stopped, what was acknowledged with what counts; return the figure."""
        counted = exporter.metric("billing_events_total", tenant="prod", type="other")
        observed = exporter.metric("billing_webhook_lag_seconds_count", tenant="prod")
        assert not self.failures, self.failures
        assert counted == observed == self.acknowledged
        assert set(self.answers) <= {0, 200, 503}, self.answers
        return (
            f"{self.acknowledged} acknowledged, {int(counted)} counted,"
            f" {self.answers[503]} answered 503, {self.answers[0]} cut"
        )

    def _run(self, sender: int) -> None:
        connection: http.client.HTTPConnection | None = None
        bodies = self._bodies(f"{self._name}-{sender}")
        while not self._stop.wait(self._pause):
            body, give_up_at = next(bodies), time.monotonic() + PATIENCE_SECONDS
            status = -1
            while status != 200:
                if status not in (-1, 0, 503) or time.monotonic() > give_up_at:
                    self.failures.append(f"an honest event was answered {status}")
                    return
                if status != -1:
                    time.sleep(0.02)
                connection = connection or self._connection()
                begun = time.monotonic()
                try:
                    headers = {"Stripe-Signature": sign(body, SECRET, int(time.time()))}
                    connection.request("POST", "/webhooks/prod", body, headers)
                    reply = connection.getresponse()
                    reply.read()
                    status = reply.status
                except (OSError, http.client.HTTPException):
                    status = 0
                    connection.close()
                    connection = None
                with self._mutex:
                    self.answers[status] += 1
                    if status == 200:
                        self.acknowledged += 1
                        self.took.append(time.monotonic() - begun)
        if connection:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        if self._tls:
            return http.client.HTTPSConnection(
                "localhost", self._port(), timeout=limit(30), context=self._tls
            )
        return http.client.HTTPConnection("127.0.0.1", self._port(), timeout=limit(30))


def store_bytes(exporter: RunningExporter) -> int:
    """Return the size of the database itself, its log of writes folded in."""
    with contextlib.closing(sqlite3.connect(exporter.store, timeout=limit(30))) as store:
        store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return exporter.store.stat().st_size


def percentile(took: list[float], percent: int) -> float:
    return sorted(took)[len(took) * percent // 100]


def allow_open_files(number: int) -> None:
    """Raise this process's own limit: a crowd is many sockets."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(number, hard), hard))


def slow_clients(
    stack: contextlib.ExitStack, port: int, number: int, beginning: Callable[[int], bytes]
) -> list[socket.socket]:
    """Open connections that send a beginning each and then nothing, or a byte now and then."""
    opened = []
    for each in range(number):
        client = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=limit(30)))
        client.sendall(beginning(each))
        opened.append(client)
    return opened


def resident_kib(pids: list[int], what: str = "VmHWM") -> int:
    """Return the largest memory a process of these has had (VmHWM), or has (VmRSS), in KiB."""
    sizes = []
    for pid in pids:
        with open(f"/proc/{pid}/status") as status:  # noqa: PTH123 - as short as it gets
            sizes += [int(line.split()[1]) for line in status if line.startswith(f"{what}:")]
    return max(sizes)
