"""gunicorn's threaded worker, changed so that a slow or silent client costs a socket and never a thread.

The poller gathers requests and hands whole ones to the threads; a request has a deadline for header and body
together; connections that are closing linger in the poller and not in its loop.
"""

from __future__ import annotations

import errno
import logging
import selectors
import signal
import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from gunicorn.http.errors import ExpectationFailed, LimitRequestHeaders, LimitRequestLine, ParseException
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, PollableMethodQueue, ThreadWorker

from bw_exporter.serving.connection import Connection
from bw_exporter.serving.exchange import Exchange
from bw_exporter.serving.incoming import RequestLateError
from bw_exporter.serving.thread_pool import ThreadPool

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable

    from bw_exporter.serving.in_loop import InLoop

T = TypeVar("T")

logger = logging.getLogger(__name__)

QUEUE_SECONDS = 20.0
"""Whoever has waited longer for a thread has given up; so a store that stalls leaves no backlog behind."""

_REFUSALS = {
    ExpectationFailed: (417, "Expectation Failed"),
    LimitRequestHeaders: (431, "Request Header Fields Too Large"),
    LimitRequestLine: (414, "URI Too Long"),
}
_ACCEPTED_AT_ONCE = 16
_LAST_ACCEPTS_SECONDS = 1.0
_WARN_EVERY_SECONDS = 60.0
_OUT_OF_FILES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class _OpenMethodQueue(PollableMethodQueue):  # type: ignore[misc]
    """A queue whose pipe ends with the process: a thread that is late may write to it, and to no other file."""

    def close(self) -> None:
        """Leave it open."""


class HttpWorker(ThreadWorker):  # type: ignore[misc]
    """A worker of one listener; `request_timeout` is the deadline in seconds."""

    request_timeout: float = 10.0
    waits_for_readers = True
    """Whether a thread waits for a client that is slow to take a long answer."""

    def __init__(self, *args: Any) -> None:  # noqa: ANN401 - gunicorn's own signature
        super().__init__(*args)
        # Idle connections may take half of the places; the rest is for those with something to say.
        self.max_keepalived = self.worker_connections // 2
        self.pending_conns: deque[Connection] = deque()
        self.keepalived_conns: deque[Connection] = deque()
        self.lingering_conns: deque[Connection] = deque()
        self.in_loop: InLoop | None = None
        self.method_queue = _OpenMethodQueue()
        self._warned_at = float("-inf")

    def init_process(self) -> None:
        """Read gunicorn's settings once: each is a call and two look-ups, some twenty times a request."""
        self.cfg.__dict__.update({name: setting.get() for name, setting in self.cfg.settings.items()})
        super().init_process()

    def init_signals(self) -> None:
        """Leave to the supervisor what a terminal or `pkill -HUP` sends to all of us; let signals in."""
        super().init_signals()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, self.SIGNALS)

    def accept(self, listener: socket.socket) -> None:
        """Take new connections and what they have sent already: some, as other workers want theirs."""
        for _ in range(_ACCEPTED_AT_ONCE):
            if not self._accepted(listener):
                return

    def _accepted(self, listener: socket.socket) -> bool:
        try:
            client_socket, client = listener.accept()
        except OSError as error:
            if error.errno in _OUT_OF_FILES:
                if time.monotonic() - self._warned_at > _WARN_EVERY_SECONDS:
                    logger.warning("cannot accept a connection: raise the limit of open files (ulimit -n)")
                    self._warned_at = time.monotonic()
                time.sleep(0.05)
            return False
        self.nr_conns += 1
        deadline = time.monotonic() + self.request_timeout
        conn = Connection(self.cfg, client_socket, client, listener.getsockname(), deadline)
        try:
            ready = not self.cfg.is_ssl and conn.receive()
        except BlockingIOError:
            ready = False
        except OSError:
            self._drop(conn)
            return True
        if ready:
            self.enqueue_req(conn)
        else:
            self._watch(conn, self.pending_conns, self._on_pending_readable)
        return True

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
            self._finish(conn, keep=keep)
        except Exception as error:
            logger.exception("a connection is let go", extra={"kind": type(error).__name__})
            self._drop(conn)

    def _finish(self, conn: Connection, *, keep: bool) -> None:
        if not keep:
            self._let_close(conn)
            return
        if conn.await_next_request(time.monotonic() + self.request_timeout):
            if conn.ready():
                self.enqueue_req(conn)
            else:
                self._watch(conn, self.pending_conns, self._on_pending_readable)
            return
        conn.set_timeout()
        if not self.alive:
            conn.timeout = min(conn.timeout, time.monotonic() + STOP_KEEPALIVE_LINGER)
        self._watch(conn, self.keepalived_conns, self._on_idle_readable)

    def handle(self, conn: Connection) -> bool:
        """In a thread: answer one request; True if the connection may serve another."""

        def answered() -> bool:
            exchange, body = self.exchange(conn)
            conn.patient = self.waits_for_readers
            return exchange.send(body)

        try:
            return self.attempt(conn, answered)
        finally:
            conn.patient = True

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
        for waiting in (self.pending_conns, self.keepalived_conns, self.lingering_conns):
            if waiting:
                timeout = min(timeout, max(waiting[0].timeout - now, 0.0))
        if self.in_loop is not None:
            timeout = min(timeout, self.in_loop.pause())
        events = self.poller.select(timeout)
        for key, _ in events:
            key.data(key.fileobj)
        if self.in_loop is not None:
            self.in_loop.step(idle=not events)

    def murder_pending(self) -> None:
        """Close what is out of time: requests that are not whole, and connections that linger."""
        now = time.monotonic()
        while self.pending_conns and self.pending_conns[0].timeout <= now:
            conn = self.pending_conns.popleft()
            self.poller.unregister(conn.sock)
            if conn.received:
                conn.refuse(408, "Request Timeout")
            self._drop(conn)
        while self.lingering_conns and self.lingering_conns[0].timeout <= now:
            conn = self.lingering_conns.popleft()
            self.poller.unregister(conn.sock)
            self._drop(conn)

    def set_accept_enabled(self, enabled: bool) -> None:  # noqa: FBT001 - gunicorn's own signature
        """When stopping, take whom the kernel has already let in, and have it refuse the next at once."""
        if not enabled and not self.alive and self._accepting:
            until = time.monotonic() + _LAST_ACCEPTS_SECONDS
            for listener in self.sockets:
                waiting = -1
                while waiting != self.nr_conns and time.monotonic() < until:
                    waiting = self.nr_conns
                    self.accept(listener)
        super().set_accept_enabled(enabled)
        if not enabled and not self.alive:
            for listener in self.sockets:
                listener.close()

    def _cap_keepalive(self, deadline: float) -> None:
        """When stopping: no longer wait for those who have not begun a request."""
        super()._cap_keepalive(deadline)
        for conn in self.pending_conns:
            if not conn.received:
                conn.timeout = min(conn.timeout, deadline)
        self.pending_conns = deque(sorted(self.pending_conns, key=lambda conn: conn.timeout))

    def _on_pending_readable(self, conn: Connection, _socket: socket.socket) -> None:
        self._receive(conn, self.pending_conns)

    def _on_idle_readable(self, conn: Connection, _socket: socket.socket) -> None:
        conn.deadline = conn.timeout = time.monotonic() + self.request_timeout
        if self._receive(conn, self.keepalived_conns):
            self.poller.unregister(conn.sock)
            self.keepalived_conns.remove(conn)
            self._watch(conn, self.pending_conns, self._on_pending_readable)

    def _receive(self, conn: Connection, waiting: deque[Connection]) -> bool:
        """Read on; True if the request is still not whole."""
        try:
            if not conn.receive():
                return True
            next_step: Callable[[Connection], None] = self.enqueue_req
        except BlockingIOError:
            return True
        except OSError:
            next_step = self._drop
        self.poller.unregister(conn.sock)
        waiting.remove(conn)
        next_step(conn)
        return False

    def _on_lingering_readable(self, conn: Connection, _socket: socket.socket) -> None:
        if conn.drained():
            self.poller.unregister(conn.sock)
            self.lingering_conns.remove(conn)
            self._drop(conn)

    def _let_close(self, conn: Connection) -> None:
        if not conn.last and conn.linger() and not conn.drained():
            self._watch(conn, self.lingering_conns, self._on_lingering_readable)
        else:
            self._drop(conn)

    def _watch(
        self,
        conn: Connection,
        waiting: deque[Connection],
        readable: Callable[[Connection, socket.socket], None],
    ) -> None:
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(readable, conn))
        waiting.append(conn)

    def _drop(self, conn: Connection) -> None:
        self.nr_conns -= 1
        conn.close()
