"""What a configuration does when it takes force, at the start and at each reload."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from bw_exporter.store import open_store

if TYPE_CHECKING:
    from bw_exporter.config.tenants import Tenants

logger = logging.getLogger(__name__)


def register(storage_url: str, tenants: Tenants) -> None:
    """Give every tenant its zero series; the store is closed again, since it must not cross a fork."""
    store = open_store(storage_url)
    try:
        store.register([tenant.id for tenant in tenants.all], int(time.time()))
    finally:
        store.close()


def warn_of_unread(tenants: Tenants) -> None:
    """Log each key that is right and has no effect: the file is used, and probably means something else."""
    for one in tenants.unread:
        logger.warning("a key has no effect", extra={"key": one.path, "problem": one.message})
