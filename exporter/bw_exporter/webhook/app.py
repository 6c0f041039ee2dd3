"""The public listener: POST /webhooks/<tenant>, a health path for load balancers, and nothing else."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from bw_exporter import ingest
from bw_exporter.errors import StoreUnavailableError
from bw_exporter.webhook import signature
from bw_exporter.webhook.durable_answer import DurableAnswer
from bw_exporter.webhook.signature import Verdict

if TYPE_CHECKING:
    from bw_exporter.config.current import CurrentConfig
    from bw_exporter.config.tenants import Tenant
    from bw_exporter.store import Outcome, Store
    from bw_exporter.webhook.rate_limit import RateLimiter
    from bw_exporter.webhook.refusals import Refusals

LARGEST_BODY_BYTES = 1 << 20
"""Stripe publishes no limit; the largest events seen have a tenth of this."""

_log = logging.getLogger(__name__)


def public_app(  # noqa: C901 - one handler for each way a request can end
    config: CurrentConfig,
    store: Store,
    refusals: Refusals,
    limiter: RateLimiter,
    clock: Callable[[], float] = time.time,
) -> Flask:
    """Return the WSGI application that Stripe talks to."""
    app = Flask(__name__, static_folder=None)
    # One more than may be, since werkzeug cuts a body of unknown length there without a word.
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY_BYTES + 1
    app.url_map.merge_slashes = False  # which would redirect, and Stripe takes that for a failure

    @app.post("/webhooks/<segment>", provide_automatic_options=False)
    def webhook(segment: str) -> Response:
        tenant = config.state.tenants.by_path.get(segment)
        if tenant is None:
            count_unknown()
            return _answer(404, "no such webhook; compare the URL with the exporter's landing page")
        body = _body()
        if body is None:
            refusals.count(tenant.id, "too_large")
            return _answer(413, f"the body has more than {LARGEST_BODY_BYTES} bytes")
        now = clock()
        verdict = signature.verify(body, request.headers.get("Stripe-Signature"), tenant.secrets, now)
        if verdict is not Verdict.GOOD:
            refusals.count(tenant.id, verdict.value)
            return _answer(400, verdict.value)
        wait = limiter.allow(tenant, now)
        if wait > 0:
            refusals.count(tenant.id, "rate_limited")
            answer = _answer(429, "over this tenant's rate limit")
            answer.headers["Retry-After"] = str(math.ceil(wait))
            return answer
        try:
            intake = ingest.read(body, tenant, int(now))
        except Exception as error:  # noqa: BLE001 - logged
            return _failed(error, tenant, refusals)

        def conclude(outcome: Outcome) -> Response:
            result, error = outcome
            if error is not None:
                return _failed(error, tenant, refusals)
            intake.warn(result)
            return _answer(400 if result == "malformed" else 200, result)

        return DurableAnswer(intake.work, store, conclude)

    @app.get("/-/healthy", provide_automatic_options=False)
    def healthy() -> Response:
        return _answer(200, "healthy")

    def count_unknown() -> None:
        """Count what Stripe posts to an address that no tenant has; scanners send no such header."""
        if request.method == "POST" and "Stripe-Signature" in request.headers:
            refusals.count("", "unknown_tenant")

    @app.errorhandler(Exception)
    def failed(error: Exception) -> Response:
        # Flask would answer 500 and log the path, which may be a tenant's token.
        _log.error("a request failed", exc_info=error)
        return _answer(503, "not stored; send it again")

    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> Response:
        count_unknown()
        answer = _answer(error.code or 400, error.name.lower())
        answer.headers.extend((name, value) for name, value in error.get_headers() if name == "Allow")
        return answer

    return app


def _body() -> bytes | None:
    """Return the request's body, or None where it is too large."""
    try:
        body = request.get_data(cache=False)
    except RequestEntityTooLarge:
        return None
    return body if len(body) <= LARGEST_BODY_BYTES else None


def _failed(error: BaseException, tenant: Tenant, refusals: Refusals) -> Response:
    """Answer 503, never 500: Stripe would stop then, and we would not know why."""
    if isinstance(error, StoreUnavailableError):
        _log.error("cannot commit, Stripe will send it again: %s", error, extra={"tenant": tenant.id})
    else:
        _log.error("an event failed, Stripe will send it again", exc_info=error, extra={"tenant": tenant.id})
    refusals.count(tenant.id, "store_error")
    return _answer(503, "not stored; send it again")


def _answer(status: int, text: str) -> Response:
    return Response(f"{text}\n", status, content_type="text/plain; charset=utf-8")
