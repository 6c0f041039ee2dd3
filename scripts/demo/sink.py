"""What stands where Slack would be: takes what Alertmanager posts, and shows it on a page as it arrives."""

from __future__ import annotations

import html
import json
import re
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

_ALERT = re.compile(r"_(Billing\w+), since")
_LINK = re.compile(r"&lt;(https?://[^|]+)\|([^&]+)&gt;")

PAGE = """\
<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="2">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>#billing</title>
<style>
body {{ font: 16px/1.45 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }}
article {{ border-left: 5px solid #888; margin: 0 0 1rem; padding: .2rem 0 .2rem .8rem; }}
.danger {{ border-color: #c22; }} .warning {{ border-color: #d90; }} .good {{ border-color: #2a2; }}
h2 {{ font-size: 1rem; margin: 0; }} p {{ margin: .2rem 0; white-space: pre-line; }} time {{ color: #777; }}
</style></head><body><h1>#billing</h1>
<p>Alertmanager posts here what it would post to Slack; newest first.</p>
{messages}
</body></html>
"""


@dataclass(frozen=True, slots=True)
class Message:
    """One post: when it came (Unix seconds), the alert's name, and Slack's own fields."""

    at: float
    alert: str
    title: str
    text: str
    color: str

    @property
    def resolved(self) -> bool:
        """Whether it tells of an end."""
        return self.title.startswith("RESOLVED")


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


def message(post: dict[str, Any], at: float) -> Message:
    """Return what a post to Slack's webhook says."""
    said = post["attachments"][0]
    found = _ALERT.search(said["text"])
    return Message(at, found[1] if found else "", said["title"], said["text"].strip(), said.get("color", ""))


def page(messages: list[Message]) -> str:
    """Return the page that shows the messages."""
    shown = [
        f'<article class="{html.escape(one.color)}"><h2>{html.escape(one.title)}</h2>'
        f"<p>{_linked(html.escape(one.text))}</p>"
        f"<time>{time.strftime('%H:%M:%S', time.localtime(one.at))}</time></article>"
        for one in reversed(messages)
    ]
    return PAGE.format(messages="\n".join(shown) or "<p>Nothing yet.</p>")


def _linked(text: str) -> str:
    return _LINK.sub(r'<a href="\1">\2</a>', text)


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
