"""gunicorn's settings and logger, as the supervisor and its workers use them."""

from __future__ import annotations

import os
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger

THREADS = 16
KEEPALIVE_SECONDS = 75
SHARED_MEMORY = "/dev/shm"  # noqa: S108 - the workers' heartbeat files, unlinked as soon as they are made


class GunicornSettings(BaseApplication):  # type: ignore[misc]
    """gunicorn's settings; the workers make their own WSGI applications."""

    def __init__(self, processes: int, graceful_timeout: int) -> None:
        """`processes` counts the private worker too; `graceful_timeout` is how long a drain may take."""
        self._processes = processes
        self._graceful_timeout = graceful_timeout
        super().__init__()

    def load_config(self) -> None:
        """Set what differs from gunicorn's defaults; neither its environment nor its files are read."""
        settings = {
            "bind": [],
            "workers": self._processes,
            "worker_class": "gthread",
            "threads": THREADS,
            "keepalive": KEEPALIVE_SECONDS,
            "graceful_timeout": self._graceful_timeout,
            "control_socket_disable": True,
            "logger_class": _Log,
            "http_parser": "python",
            "forwarded_allow_ips": "",
            "worker_tmp_dir": SHARED_MEMORY if os.access(SHARED_MEMORY, os.W_OK) else None,
        }
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> None:
        """Never called: the workers load their own."""


class _Log(Logger):  # type: ignore[misc]
    """gunicorn's logger, its entries handed to the logging of this process."""

    def setup(self, cfg: Any) -> None:  # noqa: ANN401 - gunicorn's own signature
        self.cfg = cfg
        self._access_log_enabled = False
        self.error_log.propagate = True

    def reopen_files(self) -> None:
        """There are none."""

    def close_on_exec(self) -> None:
        """There are none."""
