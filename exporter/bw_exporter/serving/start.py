"""The start: listeners and store are tried before anything is served."""

from __future__ import annotations

import resource
import time
from typing import TYPE_CHECKING

from bw_exporter.config.current import ConfigState
from bw_exporter.serving.supervisor import Supervisor
from bw_exporter.serving.taking_force import register, warn_of_unread

if TYPE_CHECKING:
    from bw_exporter.config.tenants import Tenants
    from bw_exporter.serving.options import ServeOptions

OPEN_FILES = 4096


def serve(options: ServeOptions, tenants: Tenants) -> None:
    """Run until SIGTERM or SIGINT, then exit the process with status 0.

    Raises StoreUnusableError, StoreUnavailableError or ListenError before anything is served.
    """
    attempted = time.monotonic()
    _allow_many_connections()
    register(options.storage_url, tenants)
    warn_of_unread(tenants)
    state = ConfigState(
        tenants, int(time.time()), last_reload_successful=True, problems=(), attempted_monotonic=attempted
    )
    Supervisor(options, state).run()


def _allow_many_connections() -> None:
    """Raise the soft limit of open files, which is often 1024, as far as a worker may need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
