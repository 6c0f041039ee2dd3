"""The private listener: metrics for Prometheus, health and readiness for orchestrators, and pages for people."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from bw_exporter.command_line.options import positive
from bw_exporter.config import durations
from bw_exporter.errors import StoreUnavailableError
from bw_exporter.monitoring import exposition, web_pages
from bw_exporter.monitoring.basic_auth import BasicAuth
from bw_exporter.monitoring.check_queue import BusyError
from bw_exporter.monitoring.findings_table import as_dict
from bw_exporter.monitoring.landing.pages import Sources, pages
from bw_exporter.monitoring.real_events import real_events
from bw_exporter.monitoring.tenant_names import is_possible, no_such_tenant

if TYPE_CHECKING:
    from collections.abc import Callable

    from bw_exporter.config.current import ConfigState, CurrentConfig
    from bw_exporter.housekeeping import StoreHealth
    from bw_exporter.monitoring.known_logins import KnownLogins
    from bw_exporter.monitoring.landing.recent import Recent
    from bw_exporter.monitoring.web_config import WebConfig
    from bw_exporter.store import Store

MOST_FINDINGS = 1000
_PROBE_SECONDS = 1.0

_log = logging.getLogger(__name__)


class Readiness:
    """Whether the store takes durable writes; tried at most once a second."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._asked = float("-inf")
        self._reason = ""

    def reason_not_ready(self) -> str:
        """Return why not, or an empty text."""
        with self._lock:
            if time.monotonic() - self._asked >= _PROBE_SECONDS:
                try:
                    self._store.probe(int(time.time()))
                    self._reason = ""
                except StoreUnavailableError as error:
                    self._reason = str(error)
                self._asked = time.monotonic()
            return self._reason


def private_app(
    config: CurrentConfig,
    store: Store,
    health: StoreHealth,
    web_config: WebConfig,
    known_logins: KnownLogins,
    request_reload: Callable[[], ConfigState | None],
    recent: Recent,
    webhook_url: str = "",
) -> Flask:
    """Return the WSGI application.

    `request_reload` returns the outcome, or None if none came in time. `webhook_url` is the public listener's
    address as Stripe sees it, for people to paste.
    """
    app = Flask(__name__, static_folder=None)
    readiness = Readiness(store)
    _guard(app, web_config, known_logins)
    _for_machines(app, config, store, health, readiness)
    app.register_blueprint(
        pages(Sources(config, store, health, recent, readiness.reason_not_ready, webhook_url))
    )
    app.register_blueprint(real_events(config, store))

    @app.post("/-/reload")
    def reload() -> Response:
        if web_pages.sent_by_a_page(request.headers):
            return _text("a reload is not asked for from a web page; use curl -X POST, or SIGHUP\n", 403)
        state = request_reload()
        if state is None:
            return _text("the supervisor has not answered in time; see its log\n", 504)
        if not state.last_reload_successful:
            lines = (*state.problems, "the last good configuration is still in force")
            return _text("".join(f"{line}\n" for line in lines), 400)
        number = len(state.tenants.all)
        return _text(f"reloaded: {number} tenant{'' if number == 1 else 's'}\n")

    return app


def _guard(app: Flask, web_config: WebConfig, known_logins: KnownLogins) -> None:
    """Ask for a name and a password where web.yml has any, and answer mistakes in plain words."""
    auth = BasicAuth(web_config.users, known_logins) if web_config.users else None

    @app.before_request
    def authenticate() -> Response | None:
        if auth is None:
            return None if web_config.tls else _refuse_rebound()
        login = request.authorization
        try:
            if login and login.type == "basic" and auth.accepts(login.username or "", login.password or ""):
                return None
        except BusyError:
            answer = _text("too many passwords to check; try again\n", 429)
            answer.headers["Retry-After"] = "1"
            return answer
        answer = _text("name and password, please\n", 401)
        answer.headers["WWW-Authenticate"] = 'Basic realm="BillingWatch Exporter"'
        return answer

    @app.after_request
    def set_headers(response: Response) -> Response:
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.update(web_config.headers)
        return response

    @app.errorhandler(StoreUnavailableError)
    def unavailable(error: StoreUnavailableError) -> Response:
        return _text(f"{error}\n", 503)

    @app.errorhandler(Exception)
    def failed(error: Exception) -> Response:
        _log.error("a request to the private listener failed", exc_info=error)
        return _text("failed; the log names the place\n", 500)

    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> Response:
        answer = _text(f"{error.name.lower()}\n", error.code or 400)
        answer.headers.extend((name, value) for name, value in error.get_headers() if name == "Allow")
        return answer

    @app.errorhandler(404)
    def not_found(_error: Exception) -> Response:
        return _text("nothing here; / says what there is\n", 404)


def _refuse_rebound() -> Response | None:
    """Refuse a name that a stranger may have pointed at loopback; used where neither TLS nor a password protects."""
    if not web_pages.may_be_rebound(request.headers.get("Host", ""), request.environ["SERVER_NAME"]):
        return None
    way_out = (
        "ask for localhost or an address, have a proxy send one as Host, or set basic_auth_users in web.yml"
    )
    return _text(f"a listener on loopback does not answer to this name: {way_out}\n", 421)


def _for_machines(
    app: Flask, config: CurrentConfig, store: Store, health: StoreHealth, readiness: Readiness
) -> None:
    @app.get("/metrics")
    def metrics() -> Response:
        body, content_type = exposition.render(store, config.state, health, request.headers.get("Accept", ""))
        body, headers = exposition.compressed(body, request.headers.get("Accept-Encoding", ""))
        return Response(body, content_type=content_type, headers=headers)

    @app.get("/-/healthy")
    def healthy() -> Response:
        return _text("healthy\n")

    @app.get("/-/ready")
    def ready() -> Response:
        reason = readiness.reason_not_ready()
        return _text(f"not ready: {reason}\n", 503) if reason else _text("ready\n")

    @app.get("/findings")
    def findings() -> Response:
        try:
            seconds = durations.parse(request.args.get("since", "24h"))
            limit = positive(request.args.get("limit", "100"))
        except ValueError as error:
            return _text(f"{error}\n", 400)
        tenant = request.args.get("tenant") or None
        known = config.state.tenants.by_id
        if tenant and not is_possible(tenant):
            return _text(f"{no_such_tenant(tenant, known)}\n", 400)
        since_at = int(time.time()) - seconds
        found = store.findings(tenant=tenant, since_at=since_at, limit=min(limit, MOST_FINDINGS))
        # A tenant that is no longer in the file keeps its findings.
        unknown = tenant is not None and not found and tenant not in known
        note = {"note": no_such_tenant(tenant or "", known)} if unknown else {}
        return jsonify(findings=[as_dict(finding) for finding in found], **note)


def _text(text: str, status: int = 200) -> Response:
    return Response(text, status, content_type="text/plain; charset=utf-8")
