"""The receiving side of a connection, as gunicorn reads a request from it: in time, and in chunks of some size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gunicorn.http.body import ChunkedReader
from gunicorn.http.errors import ParseException
from gunicorn.http.unreader import SocketUnreader

if TYPE_CHECKING:
    from bw_exporter.serving.http.connection import Connection

MOST_CHUNKS = 4096
"""Of 256 bytes each for the largest body. Chunks of one byte would keep a thread busy for seconds."""


class TooManyChunksError(ParseException):  # type: ignore[misc]
    """A body came in far more chunks than any sender makes of it."""


class RequestLateError(TimeoutError):
    """A request was not whole by its deadline."""


def limit_chunks(reader: ChunkedReader) -> None:
    """Have the reader raise TooManyChunksError: gunicorn limits their lines, and not their number."""
    parse, places = reader.parse_chunk_size, iter(range(MOST_CHUNKS))

    def counted(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as gunicorn calls it
        if next(places, None) is None:
            raise TooManyChunksError
        return parse(*args, **kwargs)

    reader.parse_chunk_size = counted


class DeadlineUnreader(SocketUnreader):  # type: ignore[misc]
    """Reads from the socket for as long as the connection's deadline allows."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection.sock)
        self._connection = connection

    def chunk(self, size_hint: int | None = None) -> bytes:
        """Return what comes next; raises RequestLateError, and ParseException where the loop would have to wait."""
        if not self._connection.may_block:
            raise ParseException("the request has no end where its head says")
        self.sock.settimeout(self._connection.seconds_left())
        try:
            data: bytes = super().chunk(size_hint)
        except TimeoutError as error:
            raise RequestLateError from error
        self.sock.settimeout(0.0)
        return data
