"""One GET request to Stripe's API, by the SDK's client: its JSON, or why there is none.

The SDK's typed lists cost ten times as much as their JSON (measured: 349 ms instead of 29 to 35 ms for 100 events), so
requests are raw. Behaviour of the SDK that is guarded against, seen with stripe 16.1: its time limit is 80 s, a
`~/.netrc` replaces the key, a 429 is not retried, and a key with a line break is a connection error.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import orjson
import requests
import stripe
from stripe import _error as sdk_error

from bw_exporter.stripe_api.errors import CursorGoneError, StripeApiError
from bw_exporter.stripe_api.pace import Pace

API_VERSION = "2026-10-28.endive"
"""The version whose shapes object lists have. Events keep the version that they were made in."""

CONNECTIONS = 16
"""How many requests are made at once by all clients that share connections."""

_CONNECT_SECONDS, _READ_SECONDS = 3, 10

Json = dict[str, Any]


def connections() -> stripe.HTTPClient:
    """Return connections that the clients of a process may share: a key is a header of each request.

    With a session of their own 10,000 accounts would hold 10,000 connections open.
    """
    session = requests.Session()
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    for scheme in ("https://", "http://"):
        session.mount(scheme, requests.adapters.HTTPAdapter(pool_maxsize=CONNECTIONS))
    return stripe.RequestsClient(timeout=(_CONNECT_SECONDS, _READ_SECONDS), session=session)


class StripeClient:
    """Reads one account. It belongs to one process and must be made after a fork; one request at a time."""

    def __init__(
        self,
        key: str,
        paces: tuple[Pace, ...] = (),
        *,
        base_url: str | None = None,
        http: stripe.HTTPClient | None = None,
    ) -> None:
        """`paces` are waited for before each request; `base_url` is another server that answers as Stripe does.

        `http` are shared connections.
        """
        stripe.enable_telemetry = False
        logging.getLogger("stripe").setLevel(logging.WARNING)  # at DEBUG it logs bodies
        self._paces = paces
        self._client = stripe.StripeClient(
            key.strip(),
            stripe_version=API_VERSION,
            base_addresses={"api": base_url} if base_url else None,
            max_network_retries=0,
            http_client=http or connections(),
        )
        self.requests = 0

    def get(self, path: str, **parameters: object) -> Json:
        """Return the JSON object at `path`, such as /v1/events. Raises StripeApiError."""
        for pace in self._paces:
            pace.wait()
        self.requests += 1
        try:
            response = self._client.raw_request("get", path, **parameters)
        except stripe.StripeError as error:
            raise _described(error) from None
        try:
            document = orjson.loads(response.body)
        except orjson.JSONDecodeError:
            raise StripeApiError("other", f"{path} was answered by what is no JSON", temporary=True) from None
        if not isinstance(document, dict):
            raise StripeApiError("other", f"{path} was answered by what is no JSON object")
        return document


def _described(error: stripe.StripeError) -> StripeApiError:
    said = (error.user_message or "").partition("\n")[0]
    match error:
        case stripe.AuthenticationError():
            return StripeApiError("authentication", "Stripe does not know the key, or it was revoked")
        case stripe.PermissionError():
            return StripeApiError("permission", _without_keys(said) or "the key may not read this")
        case stripe.RateLimitError():
            return StripeApiError(
                "rate_limited",
                "Stripe asks to slow down",
                temporary=True,
                retry_after_seconds=_wait(error),
            )
        case stripe.APIConnectionError():
            return StripeApiError(
                "unreachable", "Stripe's API cannot be reached, or did not answer in time", temporary=True
            )
        case stripe.InvalidRequestError() if (
            error.http_status == HTTPStatus.BAD_REQUEST and error.code == "resource_missing"
        ):
            return CursorGoneError("other", "the cursor of a page is gone")
        case _:
            status = error.http_status
            return StripeApiError(
                "other",
                f"Stripe answered {status or 'nothing that can be read'}",
                temporary=not _is_refusal(status),
            )


def _is_refusal(status: int | None) -> bool:
    return status is not None and HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR


def _wait(error: sdk_error.StripeError) -> float | None:
    headers: Mapping[str, str] = error.headers or {}
    try:
        return max(0.0, float(headers["Retry-After"]))
    except (KeyError, ValueError):
        return None


def _without_keys(text: str) -> str:
    """Stripe's sentences name the key by its last characters; a log has no use for them."""
    return " ".join(
        "the key" if word.startswith(("rk_", "sk_", "'rk_", "'sk_")) else word for word in text.split()
    )
