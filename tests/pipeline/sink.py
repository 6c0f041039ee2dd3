"""What stands where Slack and PagerDuty would be: keeps every message it is sent."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from types import TracebackType

Told = set[tuple[str, str]]
"""(tenant, alert name)."""


class Sink:
    """An HTTP server on a free loopback port; `slack`, `pagerduty` and `hook` are its paths."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, dict[str, Any]]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def paged(self, action: str) -> Told:
        """Return what PagerDuty was told to `trigger` or to `resolve`."""
        events = [body for path, body in list(self.messages) if path == "/pagerduty"]
        return {
            (event["payload"]["group"], event["payload"]["class"])
            for event in events
            if event["event_action"] == action
        }

    def posted(self, *, resolved: bool) -> str:
        """Return all that was posted to Slack, as one text, of one status."""
        posts = [body["attachments"][0] for path, body in list(self.messages) if path == "/slack"]
        return "\n".join(
            f"{post['title']}\n{post['text']}"
            for post in posts
            if post["title"].startswith("RESOLVED") == resolved
        )

    def hooked(self) -> Told:
        """Return what the plain webhook was told is firing."""
        alerts = [alert for path, body in list(self.messages) if path == "/hook" for alert in body["alerts"]]
        return {
            (alert["labels"].get("tenant", ""), alert["labels"]["alertname"])
            for alert in alerts
            if alert["status"] == "firing"
        }

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        messages = self.messages

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                messages.append((self.path, json.loads(body)))
                answer = b'{"status": "success"}' if self.path == "/pagerduty" else b"ok"
                self.send_response(202 if self.path == "/pagerduty" else 200)
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                """Stay quiet."""

        return Handler
