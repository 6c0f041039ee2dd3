"""Which tenants there are, since when, and by which clock."""

from __future__ import annotations

from bw_exporter.metrics import labels as lists
from bw_exporter.metrics.family import Family, Label

TENANT_CREATED = Family(
    32,
    "billing_tenant_created_timestamp_seconds",
    "gauge",
    "When this store first knew the tenant.",
)
TENANT_INFO = Family(
    101,
    "billing_tenant_info",
    "gauge",
    "Name and mode of each configured tenant; the value is 1.",
    (Label("name", (), ()), Label("mode", ("live", "test"), ())),
    stored=False,
)
TENANT_UTC_OFFSET = Family(
    110,
    "billing_tenant_utc_offset_seconds",
    "gauge",
    "How far the clock of the tenant's time zone is ahead of UTC now, daylight saving time included.",
    stored=False,
)
CURRENCY_MINOR_UNITS = Family(
    102,
    "billing_currency_minor_units",
    "gauge",
    "Minor units in one whole unit of the currency, as Stripe's API counts them.",
    (Label("currency", lists.CURRENCIES, lists.CURRENCIES),),
    per_tenant=False,
    stored=False,
)
