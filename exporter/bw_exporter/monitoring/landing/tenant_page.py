"""One tenant in full: how it stands, how to point Stripe at it, what was found, and what is in force for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bw_exporter.config import in_force
from bw_exporter.metrics import catalog
from bw_exporter.monitoring.landing import counts, findings, stripe_api
from bw_exporter.monitoring.landing.alerts import Alerts, Seen, alert_of, alerts
from bw_exporter.monitoring.landing.lag import Lag, lag
from bw_exporter.monitoring.landing.standing import FAMILIES, Standing, standing
from bw_exporter.store.retention import FINDING_SECONDS

if TYPE_CHECKING:
    from bw_exporter.config.current import ConfigState
    from bw_exporter.config.in_force import Setting
    from bw_exporter.config.tenants import Tenant, Tenants
    from bw_exporter.monitoring.landing.recent import Recent
    from bw_exporter.monitoring.landing.stripe_api import StripeApi
    from bw_exporter.store import Store

MOST_FINDINGS = 50

_COMMON_SETTINGS = ("enabled", "severity", "for", "keep_firing_for")
_CHECKS = (
    catalog.EVENTS,
    catalog.TENANT_CREATED,
    catalog.WEBHOOK_LAG,
    catalog.CHARGE_ATTEMPTS,
    catalog.DUPLICATE_CHARGES,
    catalog.DUPLICATE_SKIPPED,
    catalog.INVOICE_CHECKS,
    catalog.INVOICE_ABSTENTIONS,
)


@dataclass(frozen=True, slots=True)
class Detector:
    """One detector as this tenant has it; `own` counts the settings that differ from the defaults."""

    name: str
    alert: str
    enabled: bool
    severity: str
    settings: tuple[Setting, ...]
    own: int

    @property
    def main(self) -> tuple[Setting, ...]:
        """The settings that no other detector has."""
        return tuple(one for one in self.settings if one.key not in _COMMON_SETTINGS)


@dataclass(frozen=True, slots=True)
class TenantPage:
    """What the template needs; the dictionaries hold counts by event type, reason or verdict."""

    standing: Standing
    alerts: Alerts
    redelivered: int
    events: dict[str, int]
    lag: Lag | None
    findings: tuple[findings.Row, ...]
    more_findings: bool
    charges: int
    duplicates: int
    duplicates_skipped: dict[str, int]
    invoices: dict[str, int]
    abstentions: dict[str, int]
    detectors: tuple[Detector, ...]
    stripe: StripeApi | None


def tenant_page(
    config: ConfigState, tenant: Tenant, store: Store, recent: Recent, not_ready: str, now: int
) -> TenantPage:
    """Read one tenant; `not_ready` is why the store takes no writes, or nothing. Raises StoreUnavailableError."""
    recent.look(store, now)
    found = counts.read(store, (*FAMILIES, *_CHECKS, *stripe_api.FAMILIES), [tenant.id]).get(tenant.id, {})
    recent.note_lag(tenant, found, now)
    disabled = tenant.api_key != "" and _endpoint_disabled(store, tenant)
    kept = store.findings(tenant=tenant.id, since_at=now - FINDING_SECONDS, limit=MOST_FINDINGS + 1)
    return TenantPage(
        standing=standing(tenant, found, recent, now),
        alerts=alerts(
            Seen(
                tenant,
                found,
                recent,
                now,
                not_ready,
                config.last_reload_successful,
                disabled,
            )
        ),
        redelivered=counts.of(found, catalog.WEBHOOK_REQUESTS, "redelivered"),
        events=counts.by_value(found, catalog.EVENTS),
        lag=lag(tenant, found),
        findings=tuple(findings.as_row(finding) for finding in kept[:MOST_FINDINGS]),
        more_findings=len(kept) > MOST_FINDINGS,
        charges=counts.of(found, catalog.CHARGE_ATTEMPTS),
        duplicates=counts.of(found, catalog.DUPLICATE_CHARGES),
        duplicates_skipped=counts.by_value(found, catalog.DUPLICATE_SKIPPED),
        invoices=counts.by_value(found, catalog.INVOICE_CHECKS),
        abstentions=counts.by_value(found, catalog.INVOICE_ABSTENTIONS),
        detectors=tuple(_detector(config.tenants, tenant, name) for name in tenant.detectors),
        stripe=stripe_api.stripe_api(tenant, found, store, now, endpoint_disabled=disabled),
    )


def _endpoint_disabled(store: Store, tenant: Tenant) -> bool:
    """Whether the gauge is 0; counts leave zeros out, and where Stripe was not asked there is none."""
    return store.samples(tenant.id).get(f'{catalog.ENDPOINT_ENABLED.name}{{tenant="{tenant.id}"}} ') == 0


def _detector(tenants: Tenants, tenant: Tenant, name: str) -> Detector:
    thresholds = tenant.detectors[name]
    settings = in_force.settings(tenants, name, tenant.id)
    return Detector(
        name,
        alert_of(name),
        bool(getattr(thresholds, "enabled", True)),
        str(getattr(thresholds, "severity", "")),
        settings,
        sum(one.origin.startswith("tenants.") for one in settings),
    )
