"""Short ways to count in a store and to read what it counted."""

from __future__ import annotations

import os
import tempfile
import traceback
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from bw_exporter import ingest
from bw_exporter.config.tenants import RateLimit, Tenant
from bw_exporter.metrics import catalog
from bw_exporter.metrics.family import Family
from bw_exporter.metrics.series import Add, series
from bw_exporter.store import Store, Transaction
from bw_simulator.shop import events

NOW = 1_795_000_000
DAY = 86_400
NOBODY = 65534


def add(
    tenant: str, family: Family = catalog.CHARGE_ATTEMPTS, *values: str, amount: int = 1
) -> Callable[[Transaction], None]:
    """Work that counts."""

    def work(tx: Transaction) -> None:
        tx.change(tenant, (Add(family, values, amount),))

    return work


def value(store: Store, tenant: str, family: Family = catalog.CHARGE_ATTEMPTS, *values: str) -> int:
    return store.samples(tenant).get(series(family, tenant, values).line, 0)


def shown(store: Store, tenants: Sequence[str]) -> str:
    """All that a scrape would show of the store."""
    return "\n".join(lines.decode() for _, lines in store.families(tenants))


def unprivileged(promise: Callable[[Path], None]) -> None:
    """Keep a promise about permissions, which mean nothing to root: in a child that is nobody."""
    with tempfile.TemporaryDirectory(prefix="billing-") as name:
        if os.geteuid() != 0:
            promise(Path(name))
            return
        os.chown(name, NOBODY, NOBODY)
        as_nobody(promise, Path(name))


def as_nobody(promise: Callable[[Path], None], folder: Path) -> None:
    """Keep a promise in a child that is nobody; only root can make one."""
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # from Python 3.12 on: the test runner has threads
        child = os.fork()
    if child == 0:
        _as_nobody(promise, folder)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, "see the child's traceback"


def _as_nobody(promise: Callable[[Path], None], folder: Path) -> NoReturn:
    status = 1
    try:
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        promise(folder)
        status = 0
    except BaseException:  # noqa: BLE001 - the parent fails the test
        traceback.print_exc()
    finally:
        os._exit(status)


SHOP = Tenant(
    id="shop",
    name="Shop",
    mode="live",
    path="shop",
    secrets=("whsec_shop",),
    rate_limit=RateLimit(),
    revenue_basis="charge",
    detectors={},
    notify=(),
    labels={},
)


def deliver(store: Store, *delivered: dict[str, Any]) -> list[str]:
    """Take events in, as if their signatures were good; return what became of each."""
    return [ingest.receive(events.body(each), SHOP, store, NOW) for each in delivered]
