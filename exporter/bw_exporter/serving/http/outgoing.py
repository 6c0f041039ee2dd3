"""The sending side of a connection, as gunicorn writes an answer to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bw_exporter.serving.http.connection import Connection

_HELD_BYTES = 16 * 1024


class Outgoing:
    """The sending side that an answer is written to: small pieces are held until `flush`.

    gunicorn sends headers and body each in a segment of its own, which costs a system call and, where the
    interpreter's lock is contended, a wait.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._held = bytearray()

    def sendall(self, data: bytes) -> None:
        """Send now if it is much, else with what follows."""
        if len(data) > _HELD_BYTES:
            self.flush()
            self._connection.send(data)
        else:
            self._held += data
            if len(self._held) > _HELD_BYTES:
                self.flush()

    send = sendall  # what gunicorn calls for 100 Continue

    def flush(self) -> None:
        """Send what is held."""
        if self._held:
            held, self._held = self._held, bytearray()
            self._connection.send(held)
