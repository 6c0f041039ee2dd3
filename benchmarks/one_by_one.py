"""A yardstick: the exporter's own webhook and SQLite store under stock gunicorn, each event a transaction alone."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from benchmarks.load import tenant_name
from benchmarks.scrape import configured
from bw_exporter.config.current import CurrentConfig
from bw_exporter.store import Store, Transaction, open_store
from bw_exporter.webhook.app import public_app
from bw_exporter.webhook.rate_limit import RateLimiter
from bw_exporter.webhook.refusals import Refusals

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


class OneByOne:
    """A store in which no thread's work shares a transaction with another's."""

    def __init__(self, store: Store) -> None:
        """`store` is opened by the process that uses it."""
        self._store = store
        self._alone = threading.Lock()

    def write(self, work: Callable[[Transaction], Any], *, no_timeout: bool = False) -> Any:  # noqa: ANN401 - the work's own
        """Commit the work when nobody else of this process does."""
        with self._alone:
            return self._store.write(work, no_timeout=no_timeout)


class _OpenedByTheWorker:
    """The application, made at the first request: after gunicorn's fork."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._app: WSGIApplication | None = None

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        with self._mutex:
            self._app = self._app or _application()
        return self._app(environ, start_response)


def _application() -> WSGIApplication:
    state = configured([tenant_name(number) for number in range(int(os.environ["BENCH_TENANTS"]))])
    store = open_store(os.environ["BENCH_STORE"])
    store.register([tenant.id for tenant in state.tenants.all], state.loaded_at)
    alone = OneByOne(store)
    return public_app(CurrentConfig(state), alone, Refusals(), RateLimiter())  # type: ignore[arg-type]


app = _OpenedByTheWorker()
