"""What runs in a worker process: the public one takes webhooks, the private one serves the monitoring."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from bw_exporter import adoption, housekeeping
from bw_exporter.errors import BillingWatchError, StoreUnavailableError
from bw_exporter.monitoring import basic_auth
from bw_exporter.monitoring.landing.recent import Recent
from bw_exporter.monitoring.private import private_app
from bw_exporter.serving.http.batch import Batch
from bw_exporter.serving.http.http_worker import HttpWorker
from bw_exporter.serving.http.share import Share
from bw_exporter.serving.http.submissions import Submissions
from bw_exporter.serving.http.thread_pool import ThreadPool
from bw_exporter.serving.one_heap import use_one_heap
from bw_exporter.store import PromptStore, SubmittingStore, open_store
from bw_exporter.webhook import app
from bw_exporter.webhook.refusals import Refusals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from bw_exporter.config.current import ConfigState, CurrentConfig
    from bw_exporter.monitoring.known_logins import KnownLogins
    from bw_exporter.monitoring.web_config import WebConfig
    from bw_exporter.serving.config_channel import ConfigChannel
    from bw_exporter.serving.http.connection import Connection
    from bw_exporter.store import Store
    from bw_exporter.webhook.rate_limit import RateLimiter

logger = logging.getLogger(__name__)

RELOAD_TIMEOUT_SECONDS = 75.0
"""More than a file may take twice: once for an earlier request to reload, and once for this one."""


@dataclass(frozen=True)
class WorkerContext:
    """What the supervisor gives a worker; made before the fork."""

    storage_url: str
    config: CurrentConfig
    channel: ConfigChannel
    limiter: RateLimiter
    web_config: WebConfig
    known_logins: KnownLogins
    request_timeout: float
    webhook_url: str
    close_inherited: Callable[[], None]
    stripe_api_url: str = ""
    share: Share | None = None
    """A public worker's place among those that take connections from the same listener."""


class Worker(HttpWorker):
    """A worker with a store of its own and a thread that follows the configuration."""

    role: ClassVar[Literal["public", "private", "catch_up"]]
    thread_ends_seconds: ClassVar[float] = 5.0
    """How long a thread may take to finish what it holds."""

    def __init__(self, context: WorkerContext, *args: Any) -> None:  # noqa: ANN401 - gunicorn's own arguments
        super().__init__(*args)
        self.context = context
        self.request_timeout = context.request_timeout
        self.share = context.share
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._store: Store | None = None

    def init_process(self) -> None:
        """After the fork: let go of what belongs to others, then serve until told to stop."""
        self.context.close_inherited()
        self.context.channel.close_supervisor_end()
        self.context.channel.follow(self.context.config, _drain)
        try:
            super().init_process()
        except Exception as error:
            # gunicorn would end the whole server if a worker does not boot; the others go on serving.
            logger.exception("a worker failed", extra={"role": self.role, "kind": type(error).__name__})
            time.sleep(1.0)
            sys.exit(1)

    def load_wsgi(self) -> None:
        """Open the store and build the application; without a store, answer 503 until it opens."""
        self.wsgi: WSGIApplication = unavailable
        if not self._open():
            self.spawn_thread("store", self._keep_opening)

    def run(self) -> None:
        """Serve; when it is over, let the threads finish what they hold and close the store."""
        try:
            super().run()
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join(timeout=self.thread_ends_seconds)
            if self._store is not None:
                self._store.close()

    def build(self, store: Store) -> WSGIApplication:
        """Return the application and start the threads it needs."""
        raise NotImplementedError

    def spawn_thread(self, name: str, target: Callable[[], None]) -> None:
        """Start a thread that is waited for when the worker stops."""
        thread = threading.Thread(target=target, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _open(self) -> bool:
        try:
            store = open_store(self.context.storage_url)
        except BillingWatchError as error:
            logger.error("the store does not open; answering 503", extra={"reason": str(error)})  # noqa: TRY400
            return False
        except Exception:
            logger.exception("the store does not open; answering 503")  # and it must be tried again
            return False
        self.wsgi = self.build(store)
        self._store = store
        return True

    def _keep_opening(self) -> None:
        while not self._stop.wait(1.0) and not self._open():
            pass


class PublicWorker(Worker):
    """Takes webhooks. Refusals are counted in memory and flushed each second and at the end."""

    role = "public"
    waits_for_readers = False

    def build(self, store: Store) -> WSGIApplication:
        """Return the webhook application."""
        refusals = Refusals()

        def flush() -> None:
            stopping = False
            while not stopping:
                stopping = self._stop.wait(1.0)
                try:
                    refusals.flush(store)
                except StoreUnavailableError as error:
                    logger.warning("refusals are not stored yet", extra={"reason": str(error)})
                except Exception:
                    logger.exception("refusals are not stored yet")  # and the next turn must come

        self.spawn_thread("refusals", flush)
        if isinstance(store, PromptStore):
            self.in_loop = Batch(self, store, self.method_queue.defer)
        elif isinstance(store, SubmittingStore):
            self.in_loop = Submissions(self, store, self.method_queue.defer)
        return app.public_app(self.context.config, store, refusals, self.context.limiter)


class PrivateWorker(Worker):
    """Serves /metrics and the rest of the private listener, and keeps house in the store."""

    role = "private"

    def init_process(self) -> None:
        """As any worker, and mind what large pages leave behind."""
        use_one_heap()
        super().init_process()

    def get_thread_pool(self) -> ThreadPool[Connection]:
        """Return the threads that answer requests, and with basic auth those that wait for a check of a password."""
        waiting = basic_auth.MOST_WAITING if self.context.web_config.users else 0
        return ThreadPool(self.cfg.threads + waiting, self._answer)

    def build(self, store: Store) -> WSGIApplication:
        """Return the private application."""
        config, health = self.context.config, housekeeping.StoreHealth(store.schema_version)

        def keep_house() -> None:
            housekeeping.run(store, health, time.time, self._stop)

        recent = Recent()
        self.spawn_thread("housekeeping", keep_house)
        self.spawn_thread("adoption", lambda: adoption.run(store, int(time.time()), self._stop))
        self.spawn_thread(
            "recent", lambda: recent.follow(store, lambda: config.state.tenants, time.time, self._stop)
        )
        return private_app(
            config,
            store,
            health,
            self.context.web_config,
            self.context.known_logins,
            self.request_reload,
            recent,
            self.context.webhook_url,
        )

    def request_reload(self) -> ConfigState | None:
        """Have the supervisor load the file; return the outcome, None if it did not come in time."""
        asked = time.monotonic()
        if os.getppid() != self.ppid:
            return None
        os.kill(self.ppid, signal.SIGHUP)
        return self.context.config.wait_for_attempt(asked, RELOAD_TIMEOUT_SECONDS)


def _drain() -> None:
    """End as if the supervisor, which is gone, had said so; it frees the addresses for the next one."""
    os.kill(os.getpid(), signal.SIGTERM)


def unavailable(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer 503: the store does not open."""
    body = b"the store does not open; see the log\n"
    start_response(
        "503 Service Unavailable",
        [
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Length", str(len(body))),
            ("Retry-After", "5"),
        ],
    )
    return [body]
