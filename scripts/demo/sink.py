"""What stands where Slack would be: takes what Alertmanager posts, and shows it on a page as it arrives."""

from __future__ import annotations

import json
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

from sink_page import Message, message, page


class Sink:
    """An HTTP server on a loopback port; `messages` grows as they arrive."""

    def __init__(self, port: int) -> None:
        self.messages: list[Message] = []
        self.url = f"http://127.0.0.1:{port}"
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self.messages))
        self._server.daemon_threads = True

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(messages: list[Message]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            with suppress(ValueError, KeyError, IndexError):
                messages.append(message(json.loads(body), time.time()))
            self._answer("text/plain", b"ok")

        def do_GET(self) -> None:
            self._answer("text/html; charset=utf-8", page(messages).encode())

        def _answer(self, kind: str, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Stay quiet: the terminal belongs to the story."""

    return Handler
