"""A server on loopback that answers Stripe's lists as Stripe does, and fails as Stripe does.

Facts: the API reference (pagination, `created` filters, errors) and answers seen with the SDK. Lists are newest
first; `created[gt|gte|lt|lte]`, `limit`, `starting_after`, `ending_before`, `types[]` (20 at most) work on all of them.
"""

from __future__ import annotations

import json
import threading
import urllib.parse
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = dict[str, Any]

_MOST_TYPES = 20

LISTS = (
    "events charges refunds disputes invoices subscriptions payouts payment_intents prices"
    " checkout/sessions webhook_endpoints radar/early_fraud_warnings"
).split()


class Drop(Exception):  # noqa: N818 - it is no error of ours
    """Cut the connection instead of answering."""


@dataclass(frozen=True)
class Refusal:
    """An answer that is no list."""

    status: int
    body: str
    headers: dict[str, str] = field(default_factory=dict)

    @staticmethod
    def error(status: int, message: str, code: str = "", **headers: str) -> Refusal:
        """Return an error in Stripe's shape; a header's name has underscores for its hyphens."""
        detail = {"message": message, "type": "invalid_request_error", **({"code": code} if code else {})}
        return Refusal(
            status, json.dumps({"error": detail}), {k.replace("_", "-"): v for k, v in headers.items()}
        )


RATE_LIMITED = Refusal.error(429, "Too many requests", "rate_limit", Retry_After="0")
REVOKED = Refusal.error(401, "Invalid API Key provided: rk_live_****")
HTML = Refusal(502, "<html><body>Bad gateway</body></html>", {"Content-Type": "text/html"})
BROKEN = Refusal.error(500, "An unknown error occurred")


def forbidden(permission: str) -> Refusal:
    """Return the answer of a restricted key that lacks a permission."""
    said = (
        "The provided key 'rk_live_****1234' does not have the required permissions for this endpoint. Having the "
        f"'{permission}' permission would allow this request to continue."
    )
    return Refusal.error(403, said)


class Account:
    """What one key reads. `failing` are answered first, one a request; `forbidden` holds for a list until removed."""

    def __init__(self) -> None:
        self.lists: dict[str, list[Json]] = {name: [] for name in LISTS}
        self.forbidden: dict[str, str] = {}
        self.failing: deque[Refusal | Drop] = deque()
        self.aged: set[str] = set()
        self.before_page: Callable[[str], None] = lambda _path: None
        self.asked: list[str] = []

    def add(self, *events: Json) -> None:
        """Let Stripe have made these events."""
        self.lists["events"] += events

    def answer(self, name: str, query: dict[str, list[str]]) -> Json | Refusal:
        """Return a page of a list, or the refusal that the account has for it."""
        if name in self.forbidden:
            return forbidden(self.forbidden[name])
        types = query.get("types[]", []) + [
            v for k, vs in query.items() if k.startswith("types[") and k != "types[]" for v in vs
        ]
        if len(types) > _MOST_TYPES:
            return Refusal.error(400, "You may only specify up to 20 types")
        found = sorted(self.lists[name], key=lambda each: -int(each["created"]))
        if name == "subscriptions" and "all" not in query.get("status", []):
            found = [each for each in found if each.get("status") != "canceled"]
        limit = int(query.get("limit", ["10"])[0])
        first, last, backward = 0, len(found), False
        for parameter in ("starting_after", "ending_before"):
            for cursor in query.get(parameter, []):
                place = next((n for n, each in enumerate(found) if each["id"] == cursor), None)
                if cursor in self.aged or place is None:
                    return Refusal.error(400, f"No such {name}: '{cursor}'", "resource_missing")
                if parameter == "starting_after":
                    first = place + 1
                else:
                    last, backward = place, True
        bounds = [
            (holds, int(bound))
            for operator, holds in _CREATED.items()
            for bound in query.get(f"created[{operator}]", [])
        ]
        chosen = [
            each
            for each in found[first:last]
            if (not types or each["type"] in types)
            and all(holds(int(each["created"]), bound) for holds, bound in bounds)
        ]
        if backward:
            chosen = chosen[-limit:]
        return {
            "object": "list",
            "url": f"/v1/{name}",
            "data": chosen[:limit],
            "has_more": len(chosen) > limit,
        }


_CREATED: dict[str, Callable[[int, int], bool]] = {
    "gt": lambda at, bound: at > bound,
    "gte": lambda at, bound: at >= bound,
    "lt": lambda at, bound: at < bound,
    "lte": lambda at, bound: at <= bound,
}


class FakeStripe:
    """Accounts by key, behind one address."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.url = ""

    def account(self, key: str) -> Account:
        """Return the account of a key, making it at first."""
        return self.accounts.setdefault(key, Account())


class _Server(ThreadingHTTPServer):
    fake: FakeStripe


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        parts = urllib.parse.urlsplit(self.path)
        account = self.server.fake.accounts.get(self.headers.get("Authorization", "").removeprefix("Bearer "))
        if account is None:
            self._send(REVOKED)
            return
        account.asked.append(self.path)
        if account.failing:
            failure = account.failing.popleft()
            if isinstance(failure, Drop):
                self.close_connection = True
                self.connection.close()
            else:
                self._send(failure)
            return
        account.before_page(parts.path)
        name = parts.path.removeprefix("/v1/")
        answered: Json | Refusal = Refusal.error(404, f"Unrecognized request URL ({parts.path})")
        if name in account.lists:
            answered = account.answer(name, urllib.parse.parse_qs(parts.query))
        self._send(answered if isinstance(answered, Refusal) else Refusal(200, json.dumps(answered)))

    def _send(self, what: Refusal) -> None:
        body = what.body.encode()
        self.send_response(what.status)
        for name, value in {"Content-Type": "application/json", **what.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@contextmanager
def fake_stripe() -> Iterator[FakeStripe]:
    """Serve until the end of the block. Anything but GET is refused: nothing is ever written to Stripe."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.fake = FakeStripe()
    server.fake.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
