"""What Stripe's API says of a tenant with a key: how catch-up goes, the endpoint, the last probe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bw_exporter import probed
from bw_exporter.metrics import catalog
from bw_exporter.monitoring.landing.counts import Counts, by_value, of

if TYPE_CHECKING:
    from bw_exporter.config.tenants import Tenant
    from bw_exporter.probed import Probed
    from bw_exporter.store import StoreReader

FAMILIES = (
    catalog.CATCH_UP_SUCCESS,
    catalog.CATCH_UP_ERRORS,
    catalog.EVENTS_CAUGHT_UP,
    catalog.STRIPE_NEWEST_EVENT,
    catalog.ENDPOINT_ENABLED,
)

_LATE_SECONDS = 360


@dataclass(frozen=True, slots=True)
class StripeApi:
    """What the template needs. Times are Unix seconds, 0 for never; `working`: the last turns succeeded."""

    every_seconds: int
    succeeded_at: int
    working: bool
    newest_at: int
    caught_up: int
    failures: dict[str, int]
    endpoint_disabled: bool
    endpoint_enabled: bool
    probe: Probed

    @property
    def todo(self) -> int:
        """How many things the last probe said to do."""
        return sum(bool(check.todo) for check in self.probe.checks)


def stripe_api(
    tenant: Tenant, found: Counts, store: StoreReader, now: int, *, endpoint_disabled: bool
) -> StripeApi | None:
    """Return it for a tenant with a key; `found` holds its counts of FAMILIES. Raises StoreUnavailableError."""
    if not tenant.api_key:
        return None
    every, succeeded_at = tenant.asked_every_seconds, of(found, catalog.CATCH_UP_SUCCESS)
    return StripeApi(
        every,
        succeeded_at,
        now - succeeded_at <= 2 * every + _LATE_SECONDS,
        of(found, catalog.STRIPE_NEWEST_EVENT),
        of(found, catalog.EVENTS_CAUGHT_UP),
        by_value(found, catalog.CATCH_UP_ERRORS),
        endpoint_disabled,
        of(found, catalog.ENDPOINT_ENABLED) > 0,
        probed.kept(store, tenant.id),
    )
