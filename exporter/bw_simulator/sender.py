"""Sign events and post them as Stripe does."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import secrets
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from bw_exporter.config.tenants import Tenant, Tenants
from bw_exporter.errors import BillingWatchError

TIMEOUT_SECONDS = 30.0
"""How long to wait for an answer; Stripe publishes no figure, 20 to 30 s have been reported."""

_ANSWER_CHARACTERS = 300


class UndeliverableError(BillingWatchError):
    """An event could not be posted at all; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the exporter said: HTTP status, the body as one line, and Retry-After in seconds (0: none)."""

    status: int
    text: str
    retry_after_seconds: int = 0


def sign(body: bytes, secret: str, at: int) -> str:
    """Return the Stripe-Signature header of `body`, signed with an endpoint's secret at a Unix time.

    The scheme is HMAC-SHA256 over `t.body` (docs.stripe.com/webhooks, "Verify manually").

    >>> sign(b"{}", "whsec_a", 1700000000)[:25]
    't=1700000000,v1=04339dc4f'
    """
    digest = hmac.new(secret.encode(), b"%d." % at + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


class Connection:
    """A connection to one host, kept alive between posts and opened again when it was lost."""

    def __init__(self, url: str, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        """Take scheme, host and port from `url`; nothing is opened before the first post."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:  # brackets that do not close, or a port that is none
            host = None
        if not host or parts.scheme not in ("http", "https"):
            msg = f"{url!r} is no address to post to; give one such as http://127.0.0.1:8000"
            raise UndeliverableError(msg)
        opener = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._url = url
        self._http = opener(host, port, timeout=timeout_seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def post(self, path: str, body: bytes, signature: str) -> Answer:
        """Post one event; raise UndeliverableError when no answer came."""
        reused = self._http.sock is not None
        try:
            return self._post(path, body, signature)
        except (ConnectionError, http.client.HTTPException) as error:
            self.close()
            if not reused:
                raise self._unreachable(error) from error
        except OSError as error:
            self.close()
            raise self._unreachable(error) from error
        try:
            return self._post(path, body, signature)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise self._unreachable(error) from error

    def _post(self, path: str, body: bytes, signature: str) -> Answer:
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": signature,
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        }
        self._http.request("POST", path, body=body, headers=headers)
        response = self._http.getresponse()
        text = response.read().decode(errors="replace")
        after = response.headers.get("Retry-After", "")
        return Answer(
            response.status,
            " ".join(text.split())[:_ANSWER_CHARACTERS],
            int(after) if after.isascii() and after.isdigit() else 0,
        )

    def _unreachable(self, error: Exception) -> UndeliverableError:
        said = getattr(error, "strerror", None) or str(error) or type(error).__name__
        reason = "no answer in time" if isinstance(error, TimeoutError) else said
        return UndeliverableError(
            f"{self._url} cannot be reached ({reason}); is `bw-exporter serve` running there?"
        )

    def close(self) -> None:
        """Close the connection; the next post opens a new one."""
        with suppress(OSError):
            self._http.close()


def webhook_path(url: str, tenant: Tenant) -> str:
    """Return the path to post to: that of `url`, with the tenant's own put behind a bare host or folder."""
    path = urlsplit(url).path
    return f"{path.rstrip('/')}/webhooks/{tenant.path}" if path.endswith("/") or not path else path


def tenant_of(tenants: Tenants, tenant_id: str) -> Tenant:
    """Return the tenant of that id, or raise an error that lists those there are."""
    if tenant_id in tenants.by_id:
        return tenants.by_id[tenant_id]
    known = ", ".join(tenants.by_id) or "none"
    raise BillingWatchError(f"{tenants.source} has no tenant {tenant_id!r}; it has: {known}")


def refreshed(body: bytes, now: int) -> bytes:
    """Return an event again as a new one: with an id of its own, made `now`; its object is left as it is.

    Raise BillingWatchError where the body is no event.
    """
    try:
        event = json.loads(body)
    except ValueError as error:
        raise BillingWatchError(f"--fresh needs an event, and this is no JSON ({error})") from error
    except RecursionError:
        raise BillingWatchError("--fresh needs an event, and this is nested too deeply to be one") from None
    if not isinstance(event, dict) or "type" not in event:
        raise BillingWatchError("--fresh needs an event, and this is JSON without a type")
    thin = isinstance(event.get("created"), str)
    created = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z") if thin else now
    fresh = {**event, "id": f"evt_{secrets.token_hex(12)}", "created": created}
    return json.dumps(fresh, indent=2, ensure_ascii=False).encode()


_ADVICE: Mapping[int, str] = {
    HTTPStatus.BAD_REQUEST: "this is no event of Stripe; send an object with id, type, created and data",
    HTTPStatus.NOT_FOUND: "the exporter does not know this tenant; reload it after a change of tenants.yaml",
    HTTPStatus.TOO_MANY_REQUESTS: "the tenant is over its rate_limit; send more slowly, or raise it in tenants.yaml",
    HTTPStatus.SERVICE_UNAVAILABLE: "nothing was counted; the exporter's log says why, then send it again",
}


def advice(answer: Answer) -> str:
    """Return what to do about an answer, or nothing where there is nothing to do."""
    if "bad_signature" in answer.text:
        return (
            "the exporter knows this tenant by another secret; sign with the tenants.yaml that it runs on,"
            " and reload it after a change"
        )
    if "expired_signature" in answer.text:
        return "the clocks of this machine and of the exporter's differ by minutes; set them right"
    return _ADVICE.get(answer.status, "")


def send(files: Sequence[str], tenant: Tenant, url: str, *, fresh: bool) -> int:
    """Post each file, signed for the tenant; print a line for each; return 0 if all were answered 200, else 1.

    Raises UndeliverableError where the exporter cannot be reached.
    """
    with Connection(url) as connection:
        answers = [_send(file, webhook_path(url, tenant), tenant, connection, fresh=fresh) for file in files]
    return 0 if all(answers) else 1


def _send(file: str, path: str, tenant: Tenant, connection: Connection, *, fresh: bool) -> bool:
    """Post one file and say how it went; an exporter out of reach ends the command, a bad file does not."""
    try:
        body = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        now = int(time.time())
        if fresh:
            body = refreshed(body, now)
    except OSError as error:
        print(f"{file}: cannot be read: {error.strerror}", file=sys.stderr)
        return False
    except BillingWatchError as error:
        print(f"{file}: {error}", file=sys.stderr)
        return False
    answer = connection.post(path, body, sign(body, tenant.secrets[0], now))
    print(f"{file}: {answer.status} {answer.text}".rstrip())
    if todo := advice(answer):
        print(f"{file}: {todo}", file=sys.stderr)
    return answer.status == HTTPStatus.OK
