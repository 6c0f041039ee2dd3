"""The routes of the pages: `/`, `/tenants/<id>` and what they are styled with."""

from __future__ import annotations

import platform
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, render_template, request
from jinja2 import StrictUndefined

from bw_exporter import DOCS_URL, __version__
from bw_exporter.facts import feeds
from bw_exporter.monitoring.landing import findings, formats
from bw_exporter.monitoring.landing.advice import UNKNOWN_TENANT
from bw_exporter.monitoring.landing.overview import Search, overview
from bw_exporter.monitoring.landing.standing import STATES
from bw_exporter.monitoring.landing.tenant_page import tenant_page

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask.sansio.blueprints import BlueprintSetupState

    from bw_exporter.config.current import CurrentConfig
    from bw_exporter.housekeeping import StoreHealth
    from bw_exporter.monitoring.landing.recent import Recent
    from bw_exporter.store import Store

FINDINGS_SECONDS = 7 * 86_400
MOST_FINDINGS = 10

_LONGEST_TEXT = 100
_MOST_PAGES = 10**6
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "deny",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_FILTERS = (
    formats.moment,
    formats.timestamp,
    formats.number,
    formats.percent,
    formats.size,
    formats.ago,
    formats.span,
)


@dataclass(frozen=True)
class Sources:
    """Where the pages read from; `reason_not_ready` says why the store takes no writes, or nothing.

    `webhook_url` is the public listener's address as Stripe sees it, empty where it is not configured.
    """

    config: CurrentConfig
    store: Store
    health: StoreHealth
    recent: Recent
    reason_not_ready: Callable[[], str]
    webhook_url: str = ""
    clock: Callable[[], float] = time.time


def pages(sources: Sources) -> Blueprint:
    """Return the pages, to be registered at the root of the private application."""
    found = Blueprint(
        "pages", __name__, template_folder="templates", static_folder="static", static_url_path="/static"
    )
    found.record(_prepare_templates)

    @found.get("/")
    def all_tenants() -> Response:
        state, now = sources.config.state, int(sources.clock())
        since = now - FINDINGS_SECONDS
        newest = sources.store.findings(tenant=None, since_at=since, limit=MOST_FINDINGS)
        return _page(
            "overview.html",
            sources,
            now,
            root="./",
            overview=overview(state.tenants, sources.store, sources.recent, _search(), now),
            findings=[findings.as_row(finding) for finding in newest],
            not_ready=sources.reason_not_ready(),
            health=sources.health,
            states=STATES,
            unknown_advice=UNKNOWN_TENANT,
            python=platform.python_version(),
        )

    @found.get("/tenants/<tenant_id>")
    def one_tenant(tenant_id: str) -> Response:
        state, now = sources.config.state, int(sources.clock())
        tenant = state.tenants.by_id.get(tenant_id)
        if tenant is None:
            answer = _page("unknown_tenant.html", sources, now, root="../", wanted=tenant_id)
            answer.status_code = 404
            return answer
        return _page(
            "tenant.html",
            sources,
            now,
            root="../",
            tenant=tenant,
            page=tenant_page(state, tenant, sources.store, sources.recent, sources.reason_not_ready(), now),
            webhook_url=sources.webhook_url.rstrip("/"),
            events_to_select=feeds.SELECT,
        )

    return found


def _prepare_templates(setup: BlueprintSetupState) -> None:
    environment = setup.app.jinja_env
    environment.trim_blocks = environment.lstrip_blocks = True
    environment.undefined = StrictUndefined
    environment.filters.update({each.__name__: each for each in _FILTERS})


def _page(template: str, sources: Sources, now: int, **values: Any) -> Response:  # noqa: ANN401 - a template's
    html = render_template(
        template,
        now=now,
        version=__version__,
        docs=DOCS_URL,
        config=sources.config.state,
        refusals_since=sources.recent.since_at,
        **values,
    )
    return Response(html, headers=_HEADERS)


def _search() -> Search:
    """Read the query; a part that makes no sense is left out."""
    query = request.args
    page = query.get("page", "1")
    number = min(int(page), _MOST_PAGES) if page.isascii() and page.isdigit() and len(page) < 10 else 1  # noqa: PLR2004
    known = {state.key for state in STATES}
    state = query.get("state", "")
    return Search(query.get("q", "")[:_LONGEST_TEXT], state if state in known else "", max(number, 1))
