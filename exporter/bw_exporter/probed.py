"""What the last probe of a tenant found, as the process that asks Stripe keeps it and the pages show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from bw_exporter.store.protocol import FOREVER, Store, StoreReader, Transaction
from bw_exporter.store.state_json import decoded, encoded
from bw_exporter.stripe_api.probe import Check

_KIND, _KEY = "catch_up", "probe"


@dataclass(frozen=True, slots=True)
class _Kept:
    at: int = 0
    checks: Sequence[Sequence[str]] = ()


@dataclass(frozen=True, slots=True)
class Probed:
    """When Stripe was asked (Unix seconds, 0 for never), and each thing that was looked at."""

    at: int
    checks: tuple[Check, ...]


def keep(store: Store, tenant_id: str, checks: Sequence[Check], now: int) -> None:
    """Keep what a probe found, in place of the one before. Raises StoreUnavailableError."""
    kept = _Kept(now, [(each.name, each.said, each.todo) for each in checks])
    store.write(partial(_save, tenant_id, kept))


def kept(store: StoreReader, tenant_id: str) -> Probed:
    """Return what the last probe found. Raises StoreUnavailableError."""
    found = decoded(_Kept, store.remembered(tenant_id, _KIND, _KEY))
    return Probed(found.at, tuple(Check(*each) for each in found.checks))


def _save(tenant_id: str, found: _Kept, tx: Transaction) -> None:
    tx.save(tenant_id, _KIND, _KEY, encoded(found), FOREVER)
