"""Whether the tenant's webhook endpoint at Stripe is enabled: a gauge that exists once one of ours was seen."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from bw_exporter.config.tenants import Tenant
from bw_exporter.metrics import catalog
from bw_exporter.metrics.series import Add
from bw_exporter.store.protocol import FOREVER, Store, Transaction
from bw_exporter.store.state_json import decoded, encoded
from bw_exporter.stripe_api.endpoints import Endpoint, of_tenant

_KIND, _KEY = "catch_up", "endpoint"


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the gauge shows; `known` once it is there."""

    known: bool = False
    enabled: int = 0


def note(tenant: Tenant, found: list[Endpoint], store: Store, webhook_url: str) -> list[Endpoint]:
    """Keep whether the tenant's endpoint is enabled, or one of them if there are several; return all of them.

    One that is gone counts as disabled. Raises StoreUnavailableError.
    """
    ours = of_tenant(found, tenant.path, webhook_url)
    enabled = int(any(each.enabled for each in ours))
    store.write(partial(_note, tenant.id, enabled, bool(ours)))
    return ours


def _note(tenant: str, enabled: int, there: bool, tx: Transaction) -> None:  # noqa: FBT001 - for partial
    seen = decoded(_Seen, tx.load(tenant, _KIND, _KEY))
    if not (seen.known or there) or (seen.known and seen.enabled == enabled):
        return
    tx.change(tenant, (Add(catalog.ENDPOINT_ENABLED, (), enabled - seen.enabled),))
    tx.save(tenant, _KIND, _KEY, encoded(_Seen(known=True, enabled=enabled)), FOREVER)
