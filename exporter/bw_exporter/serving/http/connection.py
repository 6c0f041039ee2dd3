"""One HTTP connection of a worker: what has arrived of its next request, and by when it has to be whole."""

from __future__ import annotations

import contextlib
import io
import re
import time
from typing import TYPE_CHECKING

from gunicorn import sock as gunicorn_sock
from gunicorn import util
from gunicorn.http.body import ChunkedReader, LengthReader
from gunicorn.http.parser import RequestParser

from bw_exporter.serving.http.incoming import DeadlineUnreader, RequestLateError, limit_chunks

if TYPE_CHECKING:
    import socket

    from gunicorn.config import Config
    from gunicorn.http.message import Request

GATHER_LIMIT_BYTES = 64 * 1024
"""A larger request takes a thread while the rest of it arrives; nearly every Stripe event is smaller."""

BODY_LIMIT_BYTES = 1024 * 1024
"""A body announced as larger is refused unread, so there is nothing to wait for."""

WRITE_TIMEOUT_SECONDS = 30.0
"""How long a client may take to accept an answer that is ready."""

LINGER_SECONDS = 2.0
LINGER_LIMIT_BYTES = 4 * BODY_LIMIT_BYTES

_HEAD_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,18})[ \t]*\r\n", re.IGNORECASE)
_NO_WAITING = re.compile(rb"\r\n(?:transfer-encoding|expect|upgrade):", re.IGNORECASE)


class Connection:
    """A client's connection, moved between the worker's poller and its threads.

    `may_block` is off while the loop itself answers: it closes a connection that cannot take the answer at once.
    `last` is set once the client has sent the last request it will, all of it.
    `received` gathers a request while no thread is spent on it. `deadline` (monotonic) is when the request
    has to be whole: it runs from the moment the request is awaited, which is the accept of a new connection
    and the first byte of a later request. `timeout` is when the poller gives up on the connection. The socket
    never blocks except inside `begin`, `send` and a read that has to wait: changing that is a system call.
    """

    def __init__(
        self, cfg: Config, client_socket: socket.socket, client: object, server: object, deadline: float
    ) -> None:
        self.cfg = cfg
        self.sock = client_socket
        self.client = client
        self.server = server
        self.deadline = deadline
        self.timeout = deadline
        self.received = bytearray()
        self.parser: RequestParser | None = None
        self.queued_at = 0.0
        self.lingered = 0
        self.last = False
        self.may_block = True
        self._searched = 0
        self._whole_at = 0
        self.sock.settimeout(0.0)

    def receive(self) -> bool:
        """Take what has arrived, without blocking; True once a thread should go on with the request.

        Raises BlockingIOError if nothing has, ConnectionResetError if the client has gone. TLS is left to
        the thread.
        """
        if self.cfg.is_ssl:
            return True
        data = self.sock.recv(GATHER_LIMIT_BYTES)
        if not data:
            raise ConnectionResetError
        self.received += data
        return self.ready()

    def ready(self) -> bool:
        """Whether what has been received is a whole request, or one whose rest is not worth waiting for.

        The parser decides what is a request; this only decides when to call it.
        """
        if len(self.received) >= GATHER_LIMIT_BYTES:
            return True
        if not self._whole_at:
            end = self.received.find(_HEAD_END, max(self._searched - len(_HEAD_END), 0))
            self._searched = len(self.received)
            if end < 0:
                return False
            head = bytes(self.received[: end + 2])
            length = _LENGTH.search(head)
            size = int(length[1]) if length else 0
            if size > BODY_LIMIT_BYTES or _NO_WAITING.search(head):
                return True
            self._whole_at = end + len(_HEAD_END) + size
        return len(self.received) >= self._whole_at

    @property
    def whole(self) -> bool:
        """Whether the next request has been received to its end, as far as its head tells."""
        return bool(self._whole_at) and len(self.received) >= self._whole_at

    def await_next_request(self, deadline: float) -> bool:
        """Make ready for another request; True if its beginning came along with the one before."""
        self._searched = self._whole_at = 0
        self.deadline = self.timeout = deadline
        assert self.parser is not None
        self.received = bytearray(self.parser.unreader.take_buffered())
        if self.cfg.is_ssl:
            self._take_decrypted()
        return bool(self.received)

    def _take_decrypted(self) -> None:
        """Take what TLS has decrypted beyond the request before, which no poller sees: the socket itself is empty."""
        with contextlib.suppress(OSError):
            while waiting := self.sock.pending():  # type: ignore[attr-defined]
                self.received += self.sock.recv(waiting)

    def begin(self) -> RequestParser:
        """In a thread: return the parser, set to what has been received; raises OSError when out of time."""
        if self.parser is None:
            if self.cfg.is_ssl:
                self.sock.settimeout(self.seconds_left())
                self.sock = gunicorn_sock.ssl_wrap_socket(self.sock, self.cfg)
                if not self.cfg.do_handshake_on_connect:
                    self.sock.do_handshake()  # type: ignore[attr-defined]
                self.sock.settimeout(0.0)
            self.parser = RequestParser(self.cfg, self.sock, self.client)
            self.parser.unreader = DeadlineUnreader(self)
        # The body of the request before has been read, or the connection would have been closed.
        self.parser.mesg = None
        self.parser.unreader.unread(bytes(self.received))
        self.received = bytearray()
        return self.parser

    def seconds_left(self) -> float:
        """Return the time until the deadline; raises RequestLateError when it has passed."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise RequestLateError
        return left

    def read_body(self, request: Request) -> None:
        """Read the body before the application is called, so that what is wrong with it is the client's.

        A body that is announced as too large is left unread, and of one in chunks as much is read as shows
        that it is too large; the connection does not survive either. Raises gunicorn's ParseException,
        RequestLateError or another OSError.
        """
        reader = request.body.reader
        if isinstance(reader, LengthReader) and reader.length > BODY_LIMIT_BYTES:
            request.force_close()
            request._expected_100_continue = False  # noqa: SLF001 - gunicorn has no public name for it
            return
        if request._expected_100_continue:  # noqa: SLF001
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            request._expected_100_continue = False  # noqa: SLF001
        if isinstance(reader, ChunkedReader):
            limit_chunks(reader)
        body = request.body.read(BODY_LIMIT_BYTES + 1)
        if len(body) > BODY_LIMIT_BYTES:
            request.force_close()
        request.body = io.BytesIO(body)
        if not isinstance(reader, LengthReader):
            # Werkzeug cuts a body without a length off at its limit instead of refusing it.
            request.headers = [pair for pair in request.headers if pair[0] != "TRANSFER-ENCODING"]
            request.headers.append(("CONTENT-LENGTH", str(len(body))))

    def read(self) -> Request:
        """In a thread: return the next request, read whole; raises what `begin` and `read_body` raise.

        It is the connection's last where the client says that it closes: there is nothing to wait for then.
        """
        request = next(self.begin())
        closes = request.should_close()
        self.read_body(request)
        self.last = closes and not request.must_close
        return request

    def send(self, data: bytes | bytearray) -> None:
        """Send all of it; waits for a slow client only if `may_block`. Raises OSError."""
        sent = 0
        if not self.cfg.is_ssl:
            with contextlib.suppress(BlockingIOError):
                sent = self.sock.send(data)
        if sent < len(data):
            if not self.may_block:
                raise BlockingIOError("the client takes no answers")
            self.sock.settimeout(WRITE_TIMEOUT_SECONDS)
            self.sock.sendall(memoryview(data)[sent:])
            self.sock.settimeout(0.0)

    def refuse(self, status: int, reason: str) -> None:
        """Answer without the application; never blocks."""
        with contextlib.suppress(OSError):
            # A read that was late has left its own timeout, which gunicorn would turn into blocking.
            self.sock.settimeout(0.0)
            util.write_error(self.sock, status, reason, "")

    def linger(self) -> bool:
        """Half-close; True if what the client still sends has to be read, so that it gets the answer.

        RFC 9112, section 9.6: closing with unread bytes resets the connection and may lose the answer.
        """
        try:
            self.sock.settimeout(0.0)  # an answer that was not taken has left its own
            self.sock.shutdown(1)
        except OSError:
            return False
        self.timeout = time.monotonic() + LINGER_SECONDS
        return True

    def drained(self) -> bool:
        """While lingering: read and drop; True once the client has closed or sent more than enough."""
        try:
            data = self.sock.recv(GATHER_LIMIT_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            return True
        self.lingered += len(data)
        return not data or self.lingered > LINGER_LIMIT_BYTES

    def set_timeout(self) -> None:
        """Start the idle time between two requests."""
        self.timeout = time.monotonic() + self.cfg.keepalive

    def close(self) -> None:
        """Close without waiting."""
        util.close(self.sock)
