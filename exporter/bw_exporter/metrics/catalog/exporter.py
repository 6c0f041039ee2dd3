"""The exporter itself: its version, configuration and store."""

from __future__ import annotations

from bw_exporter.metrics.family import Family, Label

STORE_COMMITS = Family(
    34,
    "billingwatch_store_commits_total",
    "counter",
    "Durable commits that changed a count; webhook requests per commit is the size of the groups.",
    per_tenant=False,
)
FAMILY_BEGAN = Family(
    99,
    "billingwatch_family_began_timestamp_seconds",
    "gauge",
    "When this store first had the family; one that a newer version brought has no past before that.",
    (Label("family", (), ()),),
    per_tenant=False,
)
BUILD_INFO = Family(
    103,
    "billingwatch_build_info",
    "gauge",
    "Version of the exporter and of Python; the value is 1.",
    (Label("version", (), ()), Label("python", (), ())),
    per_tenant=False,
    stored=False,
)
CONFIG_LAST_RELOAD_SUCCESSFUL = Family(
    104,
    "billingwatch_config_last_reload_successful",
    "gauge",
    "1 if the last attempt to load tenants.yaml succeeded, else 0; the last good one is in force.",
    per_tenant=False,
    stored=False,
)
CONFIG_LAST_RELOAD_SUCCESS_AT = Family(
    105,
    "billingwatch_config_last_reload_success_timestamp_seconds",
    "gauge",
    "When tenants.yaml was last loaded successfully.",
    per_tenant=False,
    stored=False,
)
STORE_UP = Family(
    106,
    "billingwatch_store_up",
    "gauge",
    "1 if the last probe of the store committed, else 0.",
    per_tenant=False,
    stored=False,
)
STORE_SIZE = Family(
    107,
    "billingwatch_store_size_bytes",
    "gauge",
    "Bytes that the store takes on disk.",
    per_tenant=False,
    stored=False,
)
STORE_SCHEMA_VERSION = Family(
    108,
    "billingwatch_store_schema_version",
    "gauge",
    "Number of the last migration applied to the store.",
    per_tenant=False,
    stored=False,
)
STORE_PROBE_SECONDS = Family(
    109,
    "billingwatch_store_probe_duration_seconds",
    "gauge",
    "How long the last probe of the store took to commit, waiting for the lock included.",
    per_tenant=False,
    stored=False,
)
