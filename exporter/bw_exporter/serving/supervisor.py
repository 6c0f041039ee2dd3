"""The supervisor: binds the listeners, keeps the workers alive, and alone has the configuration read.

It is gunicorn's arbiter with its own idea of a worker: exactly one is private, and neither kind inherits the
other's listener, so that nothing that happens on the public one can silence the monitoring.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gunicorn.arbiter import Arbiter

from bw_exporter.config.current import ConfigState, CurrentConfig
from bw_exporter.errors import BillingWatchError
from bw_exporter.monitoring.known_logins import KnownLogins
from bw_exporter.serving.catch_up_worker import CatchUpWorker
from bw_exporter.serving.config_channel import ConfigChannel, encode, hand_out
from bw_exporter.serving.gunicorn_settings import GunicornSettings
from bw_exporter.serving.http.share import ConnectionCounts, Share
from bw_exporter.serving.judging import Judgement
from bw_exporter.serving.listening import bind, shown
from bw_exporter.serving.taking_force import register, warn_of_unread
from bw_exporter.serving.worker import PrivateWorker, PublicWorker, Worker, WorkerContext
from bw_exporter.webhook.rate_limit import RateLimiter

if TYPE_CHECKING:
    from gunicorn.app.base import BaseApplication
    from gunicorn.sock import TCPSocket

    from bw_exporter.serving.options import ServeOptions

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 0.01
"""How often the child that judges a configuration is looked at."""


class Supervisor(Arbiter):  # type: ignore[misc]
    """The master process: single-threaded, no application, no store kept open."""

    def __init__(self, options: ServeOptions, state: ConfigState) -> None:
        self.options = options
        self.state = state
        self.limiter = RateLimiter()
        self.counts = ConnectionCounts(options.workers)
        self._judgement: Judgement | None = None
        self._judge_again = False
        self.known_logins = KnownLogins()
        # The arbiter's are shared by the class.
        self.WORKERS: dict[int, Worker] = {}
        self.LISTENERS: list[TCPSocket] = []
        for name in ("GUNICORN_PID", "GUNICORN_FD", "LISTEN_PID"):
            os.environ.pop(name, None)
        self._catches_up = False
        super().__init__(_settings(options))
        self._catch_up_if_there_is_a_key()

    def setup(self, app: BaseApplication) -> None:
        """Have the arbiter make workers through `new_worker`."""
        super().setup(app)
        self.worker_class = self.new_worker

    def start(self) -> None:
        """Bind both listeners, or say at once why not."""
        self.LISTENERS = [
            bind(self.options.webhook_address, "--web.webhook-address", self.cfg, self.log),
            bind(self.options.metrics_address, "--web.metrics-address", self.cfg, self.log),
        ]
        super().start()
        public, private = (shown(listener) for listener in self.LISTENERS)
        logger.info(
            "serving",
            extra={
                "webhooks": f"http://{public}",
                "metrics": f"{'https' if self.options.web_config.tls else 'http'}://{private}",
                "workers": self.options.workers,
                "tenants": len(self.state.tenants.all),
            },
        )

    def new_worker(self, age: int, ppid: int, listeners: list[TCPSocket], *rest: Any) -> Worker:  # noqa: ANN401
        """Make the worker that is missing: each has its own listener, the one that catches up none."""
        siblings = list(self.WORKERS.values())
        kind = self._missing({type(sibling) for sibling in siblings})
        judgement = self._judgement
        own = {PublicWorker: listeners[:1], PrivateWorker: listeners[1:]}.get(kind, [])

        def close_inherited() -> None:
            for listener in listeners:
                if listener not in own:
                    listener.close()
            if judgement is not None:
                judgement.close()
            for sibling in siblings:
                sibling.context.channel.close_supervisor_end()

        context = WorkerContext(
            storage_url=self.options.storage_url,
            config=CurrentConfig(self.state),
            channel=ConfigChannel(),
            limiter=self.limiter,
            web_config=self.options.web_config,
            known_logins=self.known_logins,
            request_timeout=self.options.request_timeout,
            webhook_url=self.options.webhook_url,
            stripe_api_url=self.options.stripe_api_url,
            close_inherited=close_inherited,
            share=Share(self.counts, self._free_place(siblings)) if kind is PublicWorker else None,
        )
        app, timeout, cfg, log = rest
        if kind is PrivateWorker and self.options.web_config.tls:
            cfg = _settings(self.options).cfg
            self.options.web_config.tls.apply(cfg)
        return kind(context, age, ppid, own, app, timeout, cfg, log)

    def _missing(self, there: set[type[Worker]]) -> type[Worker]:
        """Return the kind of worker that is made next: there is one private one, and one that catches up."""
        if PrivateWorker not in there:
            return PrivateWorker
        return CatchUpWorker if self._catches_up and CatchUpWorker not in there else PublicWorker

    def _catch_up_if_there_is_a_key(self) -> None:
        """Have one more process from the first tenant with an API key on; without any it is not started."""
        if not self._catches_up and any(tenant.api_key for tenant in self.state.tenants.all):
            self._catches_up = True
            self.num_workers += 1

    def _free_place(self, siblings: list[Worker]) -> int:
        taken = {sibling.share.place for sibling in siblings if sibling.share is not None}
        return next((place for place in range(self.options.workers) if place not in taken), 0)

    def spawn_worker(self) -> int:
        """Fork one worker; in the supervisor, close the end of the channel that is the worker's.

        A signal that reached the worker before it has handlers of its own would be lost in those it
        inherits, so signals wait: here until the fork is made, in the worker until it is ready for them.
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, Worker.SIGNALS)
        try:
            pid: int = super().spawn_worker()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, Worker.SIGNALS)
        worker = self.WORKERS[pid]
        worker.context.channel.close_worker_end()
        logger.info("worker started", extra={"pid": pid, "role": worker.role})
        return pid

    def stop(self, graceful: bool = True) -> None:  # noqa: FBT001, FBT002 - gunicorn's own signature
        """Stop the workers: they finish what they have accepted."""
        logger.info("stopping", extra={"draining": graceful})
        if self._judgement is not None:
            self._judgement.stop()
            self._judgement = None
        super().stop(graceful)
        logger.info("stopped")

    def wait_for_signals(self, timeout: float = 1.0) -> list[int]:
        """Wait for signals, or for the child that judges the configuration; several requests to reload are one."""
        if self._judgement is None:
            return list(dict.fromkeys(super().wait_for_signals(timeout)))
        found = super().wait_for_signals(_LOOK_SECONDS)
        if self._judgement.poll() or self._judgement.is_late():
            self._take_judgement(self._judgement)
        return list(dict.fromkeys(found))

    def handle_hup(self) -> None:
        """Have the configuration judged; meanwhile workers are replaced and other signals are handled."""
        if self._judgement is not None:
            self._judge_again = True  # the file may have changed since it was read
            return
        attempted = time.monotonic()
        try:
            self._judgement = Judgement(self.options.config_file, self.options.load)
        except OSError as error:
            self._keep_what_is_in_force(attempted, (f"no process to judge it in ({error}); try again",))
            self._send_to_workers()

    def _take_judgement(self, judgement: Judgement) -> None:
        """Put the configuration in force, or log why not; every worker has the outcome before this returns."""
        attempted = judgement.started_monotonic
        self._judgement = None
        try:
            tenants = judgement.result()
            register(self.options.storage_url, tenants)
        except BillingWatchError as error:
            self._keep_what_is_in_force(attempted, tuple(str(error).splitlines()))
        except Exception:
            # Whatever a file can do to us, the workers go on: what leaves here ends the arbiter and all of them.
            logger.exception("the configuration could not be judged")
            self._keep_what_is_in_force(
                attempted, ("it could not be judged for a fault of ours; see the log",)
            )
        else:
            self.state = ConfigState(
                tenants,
                int(time.time()),
                last_reload_successful=True,
                problems=(),
                attempted_monotonic=attempted,
            )
            self._catch_up_if_there_is_a_key()
            warn_of_unread(tenants)
            logger.info("the configuration was reloaded", extra={"tenants": len(tenants.all)})
        self._send_to_workers()
        if self._judge_again:
            self._judge_again = False
            self.handle_hup()

    def _keep_what_is_in_force(self, attempted: float, problems: tuple[str, ...]) -> None:
        self.state = replace(
            self.state, last_reload_successful=False, problems=problems, attempted_monotonic=attempted
        )
        for line in problems:
            logger.error("the configuration was not reloaded", extra={"problem": line})

    def _send_to_workers(self) -> None:
        """Public workers first: when the private one answers a request to reload, all have the outcome."""
        message = encode(self.state)
        for role in ("public", "catch_up", "private"):
            channels = {
                pid: worker.context.channel for pid, worker in self.WORKERS.items() if worker.role == role
            }
            for pid in hand_out(message, channels):
                logger.error("worker did not take the configuration; replacing it", extra={"pid": pid})
                self.kill_worker(pid, signal.SIGKILL)

    def reap_workers(self) -> None:
        """Close the channels of workers that have ended."""
        before = dict(self.WORKERS)
        super().reap_workers()
        for pid in before.keys() - self.WORKERS.keys():
            before[pid].context.channel.close_supervisor_end()

    def handle_int(self) -> None:
        """Ctrl-C drains as SIGTERM does; a second one makes it quick."""
        self.handle_term()

    def handle_ttin(self) -> None:
        """Change nothing: the number of workers is fixed."""

    def handle_ttou(self) -> None:
        """Change nothing: the number of workers is fixed."""

    def handle_usr1(self) -> None:
        """Change nothing: there are no log files to open again."""

    def handle_usr2(self) -> None:
        """Change nothing: an upgrade is a restart."""

    def handle_winch(self) -> None:
        """Change nothing: the size of a terminal means nothing here."""


def _settings(options: ServeOptions) -> GunicornSettings:
    return GunicornSettings(options.workers + 1, options.graceful_timeout)
