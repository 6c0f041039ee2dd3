"""The text of a past's last scrape, and a log that is silent meanwhile."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from bw_exporter.config.current import ConfigState
from bw_exporter.config.tenants import Tenants
from bw_exporter.housekeeping import StoreHealth
from bw_exporter.monitoring import exposition
from bw_exporter.past.steps import Steps
from bw_exporter.store import Store

_OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def last(store: Store, tenants: Tenants, steps: Steps) -> str:
    """Return what a scrape at the end of the past shows, as OpenMetrics text. Raises StoreUnavailableError."""
    state = ConfigState(
        tenants, steps.moments[0], last_reload_successful=True, problems=(), attempted_monotonic=0.0
    )
    health = StoreHealth(store.schema_version, up=True)
    body, _ = exposition.render(store, state, health, _OPENMETRICS, lambda: steps.end_at)
    return body.decode()


@contextmanager
def findings_not_logged() -> Iterator[None]:
    """Keep out of the log what the checks find in a past."""
    logger = logging.getLogger("bw_exporter")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
