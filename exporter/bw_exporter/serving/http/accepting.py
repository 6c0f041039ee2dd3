"""gunicorn's threaded worker, changed so that a slow or silent client costs a socket and never a thread.

The poller gathers requests and hands on whole ones; a request has a deadline for header and body together;
connections that are closing linger in the poller and not in its loop.
"""

from __future__ import annotations

import errno
import logging
import selectors
import signal
import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any

from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, ThreadWorker

from bw_exporter.serving.http.connection import Connection
from bw_exporter.serving.http.share import Share

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

logger = logging.getLogger(__name__)

_ACCEPTED_AT_ONCE = 16
_LAST_ACCEPTS_SECONDS = 1.0
_YIELD_SECONDS = 0.02
_TAKEN_LATE = 4
"""How long connections are left to a worker that holds fewer, and how many of them are taken after that."""

_WARN_EVERY_SECONDS = 60.0
_OUT_OF_FILES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class AcceptingWorker(ThreadWorker):  # type: ignore[misc]
    """Takes connections, waits for their requests and for their end; `request_timeout` is the deadline in seconds.

    `enqueue_req` is called with each connection whose request is whole, or has to be read in a thread.
    """

    request_timeout: float = 10.0

    def __init__(self, *args: Any) -> None:  # noqa: ANN401 - gunicorn's own signature
        super().__init__(*args)
        # Idle connections may take half of the places; the rest is for those with something to say.
        self.max_keepalived = self.worker_connections // 2
        self.pending_conns: deque[Connection] = deque()
        self.keepalived_conns: deque[Connection] = deque()
        self.lingering_conns: deque[Connection] = deque()
        self._warned_at = float("-inf")
        self.share: Share | None = None
        self.yielded = False
        """Whether a connection was left to another worker since this was set to False."""
        self._yields_until = 0.0
        self._taken_late = 0

    def init_signals(self) -> None:
        """Leave to the supervisor what a terminal or `pkill -HUP` sends to all of us; let signals in."""
        super().init_signals()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, self.SIGNALS)

    def accept(self, listener: socket.socket) -> None:
        """Take new connections and what they have sent already: some, as other workers want theirs."""
        for _ in range(_ACCEPTED_AT_ONCE):
            if self._leaves_it() or not self._accepted(listener):
                return

    def _leaves_it(self) -> bool:
        """Tell whether the next connection is left to a worker that holds fewer: for a moment, not for ever."""
        if self.share is None or not self.alive:
            return False
        now = time.monotonic()
        if not self.share.is_full(self._held(), now):
            return False
        if not self._yields_until:
            self._yields_until = now + _YIELD_SECONDS
        self.yielded = now < self._yields_until
        if not self.yielded:
            self._taken_late += 1
            if self._taken_late >= _TAKEN_LATE:
                self._taken_late, self._yields_until = 0, 0.0
        return self.yielded

    def _held(self) -> int:
        """Return how many connections wait here for a request; one that is answered and closed is no load to come."""
        return len(self.pending_conns) + len(self.keepalived_conns)

    def note_share(self, now: float) -> None:
        """At each turn of the loop: tell the other workers how many connections this one holds."""
        if self.share is None:
            return
        if self.alive:
            self.share.note(self._held(), now)
        else:
            self.share.leave()
        if not self.yielded:
            self._yields_until = 0.0
        self.yielded = False

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
            self.drop(conn)
            return True
        if ready:
            self.enqueue_req(conn)
        else:
            self._watch(conn, self.pending_conns, self._on_pending_readable)
        return True

    def await_next(self, conn: Connection) -> None:
        """Wait for the connection's next request; what has come of it already is not waited for."""
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

    def let_close(self, conn: Connection) -> None:
        """Say that no more will be answered, and wait for the client to have read what was."""
        if not conn.last and conn.linger() and not conn.drained():
            self._watch(conn, self.lingering_conns, self._on_lingering_readable)
        else:
            self.drop(conn)

    def drop(self, conn: Connection) -> None:
        """Close the connection and free its place."""
        self.nr_conns -= 1
        conn.close()

    def murder_pending(self) -> None:
        """Close what is out of time: requests that are not whole, and connections that linger."""
        now = time.monotonic()
        while self.pending_conns and self.pending_conns[0].timeout <= now:
            conn = self.pending_conns.popleft()
            self.poller.unregister(conn.sock)
            if conn.received:
                conn.refuse(408, "Request Timeout")
            self.drop(conn)
        while self.lingering_conns and self.lingering_conns[0].timeout <= now:
            conn = self.lingering_conns.popleft()
            self.poller.unregister(conn.sock)
            self.drop(conn)

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
            next_step = self.drop
        self.poller.unregister(conn.sock)
        waiting.remove(conn)
        next_step(conn)
        return False

    def _on_lingering_readable(self, conn: Connection, _socket: socket.socket) -> None:
        if conn.drained():
            self.poller.unregister(conn.sock)
            self.lingering_conns.remove(conn)
            self.drop(conn)

    def _watch(
        self,
        conn: Connection,
        waiting: deque[Connection],
        readable: Callable[[Connection, socket.socket], None],
    ) -> None:
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(readable, conn))
        waiting.append(conn)
