"""How a worker answers a whole request: in its loop, or in a thread where the client may keep it waiting."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from gunicorn.http.errors import ExpectationFailed, LimitRequestHeaders, LimitRequestLine, ParseException
from gunicorn.workers.gthread import PollableMethodQueue

from bw_exporter.serving.http.accepting import AcceptingWorker
from bw_exporter.serving.http.exchange import Exchange
from bw_exporter.serving.http.incoming import RequestLateError
from bw_exporter.serving.http.thread_pool import ThreadPool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bw_exporter.serving.http.connection import Connection
    from bw_exporter.serving.http.in_loop import InLoop

T = TypeVar("T")

logger = logging.getLogger(__name__)

QUEUE_SECONDS = 20.0
"""Whoever has waited longer for a thread has given up; so a store that stalls leaves no backlog behind."""

_YIELD_NAP_SECONDS = 0.001
"""The poller tells at once again of a connection that was left to another worker, which needs a moment to take it."""

_REFUSALS = {
    ExpectationFailed: (417, "Expectation Failed"),
    LimitRequestHeaders: (431, "Request Header Fields Too Large"),
    LimitRequestLine: (414, "URI Too Long"),
}


class _OpenMethodQueue(PollableMethodQueue):  # type: ignore[misc]
    """A queue whose pipe ends with the process: a thread that is late may write to it, and to no other file."""

    def close(self) -> None:
        """Leave it open."""


class HttpWorker(AcceptingWorker):
    """A worker of one listener."""

    waits_for_readers = True
    """Whether a thread waits for a client that is slow to take a long answer."""

    def __init__(self, *args: Any) -> None:  # noqa: ANN401 - gunicorn's own signature
        super().__init__(*args)
        self.in_loop: InLoop | None = None
        self.method_queue = _OpenMethodQueue()

    def init_process(self) -> None:
        """Read gunicorn's settings once: each is a call and two look-ups, some twenty times a request."""
        self.cfg.__dict__.update({name: setting.get() for name, setting in self.cfg.settings.items()})
        super().init_process()

    def get_thread_pool(self) -> ThreadPool[Connection]:
        """Return the threads that answer requests."""
        return ThreadPool(self.cfg.threads, self._answer)

    def enqueue_req(self, conn: Connection) -> None:
        """Answer the request: in the loop, or in a thread where its client may keep us waiting."""
        if self.in_loop is not None and conn.whole:
            self.in_loop.take(conn)
            return
        conn.queued_at = time.monotonic()
        self.tpool.put(conn)

    def _answer(self, conn: Connection) -> None:
        keep = False
        try:
            if time.monotonic() - conn.queued_at > QUEUE_SECONDS:
                conn.refuse(503, "Service Unavailable")
            else:
                keep = self.handle(conn)
        finally:
            self.method_queue.defer(self.finish_request, conn, keep)

    def finish_request(self, conn: Connection, keep: bool) -> None:  # noqa: FBT001 - called by position
        """After an answer: keep the connection for the next request, or let it close."""
        try:
            if keep:
                self.await_next(conn)
            else:
                self.let_close(conn)
        except Exception as error:
            logger.exception("a connection is let go", extra={"kind": type(error).__name__})
            self.drop(conn)

    def handle(self, conn: Connection) -> bool:
        """In a thread: answer one request; True if the connection may serve another."""

        def answered() -> bool:
            exchange, body = self.exchange(conn)
            conn.may_block = self.waits_for_readers
            return exchange.send(body)

        try:
            return self.attempt(conn, answered)
        finally:
            conn.may_block = True

    def exchange(self, conn: Connection) -> tuple[Exchange, Iterable[bytes]]:
        """Read the next request and ask the application; raises what `attempt` knows."""
        request = conn.read()
        full = len(self.keepalived_conns) >= self.max_keepalived
        exchange = Exchange(conn, request, self.cfg, last=full or not self.alive)
        return exchange, exchange.ask(self.wsgi)

    def attempt(self, conn: Connection, step: Callable[[], T]) -> T | Literal[False]:
        """Run a step of answering; where it raises, refuse the request or let it go, and return False."""
        try:
            return step()
        except RequestLateError:
            conn.refuse(408, "Request Timeout")
        except ParseException as error:
            # Its text quotes the request, which may hold a secret path: only its kind is told.
            logger.debug("not an HTTP request", extra={"kind": type(error).__name__})
            conn.refuse(*_REFUSALS.get(type(error), (400, "Bad Request")))
        except (StopIteration, OSError):
            pass
        except Exception as error:
            logger.exception("a request failed unexpectedly", extra={"kind": type(error).__name__})
            conn.refuse(500, "Internal Server Error")
        return False

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Wait no longer than until the next connection is out of time; then do what there is to do."""
        now = time.monotonic()
        self.note_share(now)
        for waiting in (self.pending_conns, self.keepalived_conns, self.lingering_conns):
            if waiting:
                timeout = min(timeout, max(waiting[0].timeout - now, 0.0))
        if self.in_loop is not None:
            timeout = min(timeout, self.in_loop.pause())
        events = self.poller.select(timeout)
        for key, _ in events:
            key.data(key.fileobj)
        idle = not events or (self.yielded and len(events) == 1)
        if self.in_loop is not None:
            self.in_loop.step(idle=idle)
        if self.yielded and idle:
            time.sleep(_YIELD_NAP_SECONDS)
