"""A question that each metric answers, and the query that answers it.

The counters never reset, so a difference is exact where `increase()` would extrapolate; `max` collapses replicas.
"""

from __future__ import annotations

from bw_exporter.metrics import catalog
from bw_exporter.metrics.family import Family

_OWN = "max by (tenant) ({name})"
_DAY = "max by (tenant) ({name}) - max by (tenant) ({name} offset 1d)"
_DAY_BY = "max by (tenant, {label}) ({name}) - max by (tenant, {label}) ({name} offset 1d)"

_MONEY = (
    "({difference}) / on (currency) group_left () max by (currency) ("
    + catalog.CURRENCY_MINOR_UNITS.name
    + ")"
)

_STANDING_MONEY = _MONEY.replace("{difference}", "max by (tenant, currency) ({name})")

_QUESTIONS: dict[Family, tuple[str, str]] = {
    catalog.CHARGE_ATTEMPTS: (
        "share of attempts that failed within 1h, in percent",
        "100 * (sum by (tenant) (max by (tenant, reason) (billing_charge_failures_total))"
        " - sum by (tenant) (max by (tenant, reason) (billing_charge_failures_total offset 1h)))"
        " / on (tenant) (max by (tenant) ({name}) - max by (tenant) ({name} offset 1h) > 0)",
    ),
    catalog.DISPUTES_OPEN: ("disputes that wait for an answer", _OWN),
    catalog.DISPUTES_NEXT_DUE: (
        "hours until evidence is due",
        "(max by (tenant) ({name} > 0) - time()) / 3600",
    ),
    catalog.DISPUTED_OPEN: ("whole units at stake", _STANDING_MONEY),
    catalog.SUBSCRIPTIONS: ("subscriptions by status", "max by (tenant, status) ({name})"),
    catalog.MRR: (
        "ARR in whole units",
        "12 * max by (tenant, currency) ({name}) / on (currency) group_left ()"
        " max by (currency) (billing_currency_minor_units)",
    ),
    catalog.MRR_EXCLUDED: (
        "what MRR leaves out, by reason",
        "max by (tenant, reason) ({name}) > 0",
    ),
    catalog.WEBHOOK_LAG: (
        "events of the last 15m that were under way for more than 30s",
        "(max by (tenant) ({name}_count) - max by (tenant) ({name}_count offset 15m)) - on (tenant)"
        ' (max by (tenant) ({name}_bucket{{le="30.0"}}) - max by (tenant) ({name}_bucket{{le="30.0"}} offset 15m))',
    ),
    catalog.LAST_EVENT: ("seconds of silence", "time() - max by (tenant) ({name} > 0)"),
    catalog.LAST_PAYOUT: ("days since the last payout", "(time() - max by (tenant) ({name} > 0)) / 86400"),
    catalog.LAST_DUPLICATE: ("who had a duplicate within 1h", "time() - max by (tenant) ({name} > 0) < 3600"),
    catalog.LAST_FINDING: ("who had a finding within 1h", "time() - max by (tenant) ({name} > 0) < 3600"),
    catalog.LAST_MISMATCH: ("who had a mismatch within 1h", "time() - max by (tenant) ({name} > 0) < 3600"),
    catalog.TENANT_CREATED: ("age of each tenant, in days", "(time() - max by (tenant) ({name})) / 86400"),
    catalog.WEBHOOK_REQUESTS: (
        "requests refused within 1h, by result",
        'max by (tenant, result) ({name}{{result!~"accepted|redelivered"}})'
        ' - max by (tenant, result) ({name}{{result!~"accepted|redelivered"}} offset 1h) > 0',
    ),
    catalog.STORE_COMMITS: ("commits per second", "max(rate({name}[5m]))"),
    catalog.FAMILY_BEGAN: (
        "what an upgrade brought within 30d, whose past is shorter than that of its tenants",
        "max by (family) ({name}) > time() - 30 * 86400 unless max by (family) ({name}) <= on () group_left ()"
        " min(billing_tenant_created_timestamp_seconds)",
    ),
    catalog.TENANT_INFO: (
        "attempts with the tenant's name beside them",
        "max by (tenant) (billing_charge_attempts_total) * on (tenant) group_left (name)"
        " max by (tenant, name) ({name})",
    ),
    catalog.TENANT_UTC_OFFSET: (
        "whose clock has changed within a week, and by how many hours",
        "(max by (tenant) ({name}) - max by (tenant) ({name} offset 1w)) / 3600 != 0",
    ),
    catalog.CURRENCY_MINOR_UNITS: (
        "revenue so far in whole units",
        "max by (tenant, currency) (billing_revenue_minor_units_total) / on (currency) group_left ()"
        " max by (currency) ({name})",
    ),
    catalog.BUILD_INFO: ("replicas by version", "count by (version) ({name})"),
    catalog.CONFIG_LAST_RELOAD_SUCCESSFUL: ("replicas on an old configuration", "{name} == 0"),
    catalog.CONFIG_LAST_RELOAD_SUCCESS_AT: ("seconds since the last good reload", "time() - {name}"),
    catalog.STORE_UP: ("replicas that cannot write", "{name} == 0"),
    catalog.STORE_SIZE: ("growth of the store within a day, in bytes", "{name} - {name} offset 1d"),
    catalog.STORE_SCHEMA_VERSION: ("schema of the store", "max({name})"),
    catalog.STORE_PROBE_SECONDS: ("the slowest commit of the last hour", "max(max_over_time({name}[1h]))"),
}


def example(family: Family) -> tuple[str, str]:
    """Return what is asked and the PromQL."""
    question, query = _QUESTIONS.get(family) or _of_the_last_day(family)
    label = family.labels[-1].name if family.labels else ""
    return question, query.format(name=family.name, label=label)


def _of_the_last_day(family: Family) -> tuple[str, str]:
    labels = [label.name for label in family.labels]
    by = f", by {' and '.join(labels)}" if labels else ""
    difference = _DAY_BY.replace("{label}", ", ".join(labels)) if labels else _DAY
    if "currency" in labels:
        return f"whole units within 24h{by}", _MONEY.replace("{difference}", difference)
    return f"within 24h{by}", difference
