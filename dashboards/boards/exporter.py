"""Exporter: the watch itself; whether it hears Stripe, can write, has its configuration, and its rules run."""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as model

from boards.overview import NO_RULES
from boards.rows import workings
from boards.toolkit import frame, panels, tables
from boards.toolkit.panels import Lines, Number
from boards.toolkit.parts import Query, Reading
from boards.toolkit.queries import (
    HOUR,
    INSTANCE,
    JOB,
    SOME,
    WATCHDOG,
    firing_count,
    firing_since,
    rate,
    raw,
    recorded,
    rise,
)
from boards.toolkit.tables import Column, Table
from bw_exporter.metrics import catalog
from bw_rules.groups.exporter_alerts import ACCEPTED, REFUSED

_REFUSALS = 'result=~"bad_signature|expired_signature|malformed|too_large|rate_limited"'
_UP = f"up{{{JOB},{INSTANCE}}}"


def board() -> model.Dashboard:
    """Return the dashboard."""
    return frame.assemble(
        "BillingWatch exporter",
        frame.EXPORTER_UID,
        "The watch itself: requests and refusals, the store, the configuration, and whether Prometheus scrapes and "
        "evaluates. All replicas of one store tell the same totals, so counts are never added over replicas.",
        (frame.datasource(), frame.job(), frame.instance(), frame.tenant(several=True)),
        (
            frame.Row("", (*_answers(), _firing(), _replicas())),
            frame.Row("Requests", _requests()),
            frame.Row("Refusals", _refusals()),
            frame.Row("Store", workings.store()),
            frame.Row("Scrapes and rules", workings.prometheus()),
        ),
        since="now-6h",
    )


def _answers() -> tuple[Number, ...]:
    failed = f"sum(increase(prometheus_rule_evaluation_failures_total{{{workings.GROUPS}}}[10m]))"
    return (
        panels.number(
            "Alerts about the watch",
            "Alerts about the exporter, its store and its rules. Normal: none.",
            "none",
            Query(firing_count("alertname, instance, tenant", WATCHDOG)),
            Reading(0, 0, "None", "green"),
            Reading(1, None, "", "red"),
            nothing=NO_RULES,
            width=4,
        ),
        panels.number(
            "Replicas not reached",
            "Replicas whose last scrape failed. Normal: none. With all of them down nothing is watched.",
            "none",
            Query(f"count({_UP} == 0) or 0 * count({_UP})"),
            Reading(0, 0, "None", "green"),
            Reading(1, None, "", "red"),
            nothing="No scrape configured",
            width=4,
        ),
        panels.number(
            "Store",
            "Whether the last probe of the store committed, on every replica. Normal: writable. Otherwise Stripe is "
            "answered 503 and repeats for three days.",
            "none",
            Query(f"min({raw(catalog.STORE_UP.name, INSTANCE)})"),
            Reading(0, 0, "NOT WRITABLE", "red"),
            Reading(1, 1, "Writable", "green"),
            nothing="Not scraped",
            width=4,
        ),
        panels.number(
            "Configuration",
            "Whether the last attempt to load tenants.yaml succeeded, on every replica. Normal: in force. Otherwise "
            "the last good one is; bw-exporter check-config says what is wrong.",
            "none",
            Query(f"min({raw(catalog.CONFIG_LAST_RELOAD_SUCCESSFUL.name, INSTANCE)})"),
            Reading(0, 0, "Last reload failed", "orange"),
            Reading(1, 1, "In force", "green"),
            nothing="Not scraped",
            width=4,
        ),
        panels.number(
            "Rule evaluations failed, 10 min",
            "Evaluations of the billing rules that failed. Normal: none; a detector whose rules fail is blind.",
            "none",
            Query(failed),
            Reading(0, 0, "None", "green"),
            Reading(0.001, None, "", "red"),
            nothing="Prometheus does not scrape itself",
            width=4,
            decimals=0,
        ),
        panels.number(
            "Refused, 15 min",
            "Webhook requests answered 400, 413 or 429. Normal: none or a few strangers; many beside few accepted mean "
            "a wrong secret.",
            "none",
            Query(f"sum({recorded(REFUSED.delta_name(900), SOME)})"),
            nothing=NO_RULES,
            width=4,
        ),
    )


def _firing() -> Table:
    return tables.table(
        "Firing now",
        "Alerts about the watch itself, newest first; since when their condition holds. Normal: BillingWatchdog "
        "alone, which always fires. The alert's name opens its runbook.",
        (
            Column("alertname", "Alert", link_title="Runbook", link_url=frame.TO_RUNBOOK),
            Column("severity", "Severity"),
            Column("tenant", "Tenant", link_title="Tenant dashboard", link_url=frame.TO_TENANT),
            Column("instance", "Instance"),
            Column("A", "Since", unit="dateTimeFromNow"),
        ),
        Query(firing_since('detector="watchdog"')),
        sort="Since",
        nothing="Not even the watchdog: no rules loaded",
        width=12,
        height=7,
    )


def _replicas() -> Table:
    version = f"max by (instance, version) ({raw(catalog.BUILD_INFO.name, INSTANCE)})"
    return tables.table(
        "Replicas",
        "One line for each replica. Normal: up, in force, the same version and schema on all.",
        (
            Column("instance", "Instance"),
            Column("A", "Scrape", readings=_words("DOWN", "up")),
            Column("B", "Configuration", readings=_words("last reload failed", "in force")),
            Column("C", "Loaded", unit="dateTimeFromNow"),
            Column("version", "Version"),
            Column("E", "Schema"),
        ),
        Query(f"max by (instance) ({_UP})"),
        Query(f"max by (instance) ({raw(catalog.CONFIG_LAST_RELOAD_SUCCESSFUL.name, INSTANCE)})"),
        Query(f"1000 * max by (instance) ({raw(catalog.CONFIG_LAST_RELOAD_SUCCESS_AT.name, INSTANCE)})"),
        Query(version),
        Query(f"max by (instance) ({raw(catalog.STORE_SCHEMA_VERSION.name, INSTANCE)})"),
        sort="Instance",
        descending=False,
        nothing="No replica is scraped",
        width=12,
        height=7,
    )


def _requests() -> tuple[Lines, ...]:
    requests = catalog.WEBHOOK_REQUESTS.name
    return (
        panels.lines(
            "Requests by result",
            "Webhook requests answered, in all; replicas collapsed. Normal: accepted far above all others. "
            "store_error is answered 503 and repeated by Stripe.",
            "reqps",
            Query(f"sum by (result) (\n{rate(requests, 'tenant, result', SOME, INSTANCE)}\n)", "{{result}}"),
            width=12,
        ),
        panels.lines(
            "Accepted in 15 minutes, by tenant",
            "Events accepted or known already, recorded by the rules. Normal: the shape of each tenant's day; a tenant "
            "that falls to zero is silent.",
            "short",
            Query(f"topk(10, {recorded(ACCEPTED.delta_name(900), SOME)})", "{{tenant}}"),
            width=12,
        ),
    )


def _refusals() -> tuple[Lines | Table, ...]:
    requests = catalog.WEBHOOK_REQUESTS.name
    unknown = f'result="{catalog.UNKNOWN_TENANT}"'
    return (
        tables.table(
            "Refused in the last hour, by tenant and reason",
            "Requests answered 400, 413 or 429. Normal: empty. bad_signature: wrong secret, or a stranger. "
            "expired_signature: a wrong clock. rate_limited: raise rate_limit.",
            (
                Column("tenant", "Tenant", link_title="Tenant dashboard", link_url=frame.TO_TENANT),
                Column("result", "Result"),
                Column("A", "Refused"),
            ),
            Query(f"{rise(requests, 'tenant, result', HOUR, SOME, _REFUSALS)} > 0"),
            sort="Refused",
            nothing="No refusal is known",
            width=8,
        ),
        panels.lines(
            "Refused in 15 minutes, by tenant",
            "As recorded by the rules. Normal: zero. From five that are more than were accepted, or that "
            "name no tenant, BillingWebhookRefused fires.",
            "short",
            Query(f"topk(10, {recorded(REFUSED.delta_name(900), SOME)})", "{{tenant}}"),
        ).links([panels.runbook("BillingWebhookRefused")]),
        panels.lines(
            "Requests for unknown tenants",
            "Requests whose URL names no tenant of tenants.yaml. Normal: zero, or strangers trying; a mistyped URL in "
            "Stripe shows here.",
            "reqps",
            Query(f"max({rate(requests, 'tenant', INSTANCE, unknown)})", "unknown tenant"),
        ),
    )


def _words(zero: str, one: str) -> tuple[Reading, ...]:
    return (Reading(0, 0, zero, "red"), Reading(1, 1, one, "green"))
