"""One request of a connection and the answer to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gunicorn.http import wsgi

from bw_exporter.serving.http.outgoing import Outgoing

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import WSGIApplication

    from gunicorn.config import Config
    from gunicorn.http.message import Request

    from bw_exporter.serving.http.connection import Connection


class Exchange:
    """A request that was read whole, and gunicorn's answer to it, headers and body in one segment where they fit."""

    def __init__(self, conn: Connection, request: Request, cfg: Config, *, last: bool) -> None:
        """`last`: the connection is closed after this answer, which says so."""
        self.conn = conn
        self._out = Outgoing(conn)
        self._answer, self._environ = wsgi.create(request, self._out, conn.client, conn.server, cfg)
        self._environ["wsgi.multithread"] = True
        if last:
            self._answer.force_close()

    def ask(self, application: WSGIApplication) -> Iterable[bytes]:
        """Call the application; raises what it raises."""
        return application(self._environ, self._answer.start_response)

    def send(self, body: Iterable[bytes]) -> bool:
        """Send the answer; True if the connection may serve another request. Raises OSError and what `body` raises."""
        try:
            for part in body:
                self._answer.write(part)
            self._answer.close()
            self._out.flush()
        finally:
            if hasattr(body, "close"):
                body.close()
        return not self._answer.should_close()
