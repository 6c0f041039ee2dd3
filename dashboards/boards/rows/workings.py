"""Inside the exporter and Prometheus: the store, scrapes, rules."""

from __future__ import annotations

from boards.toolkit import panels
from boards.toolkit.panels import Lines
from boards.toolkit.parts import Query
from boards.toolkit.queries import INSTANCE, JOB, SOME, rate, raw, recorded
from bw_exporter.metrics import catalog
from bw_rules.groups.exporter_alerts import STORE_ERRORS

GROUPS = 'rule_group=~".*billingwatch.*"'


def store() -> tuple[Lines, ...]:
    """Whether and how fast it can write."""
    accepted = rate(catalog.WEBHOOK_REQUESTS.name, "tenant", INSTANCE, 'result="accepted"')
    commits = f"max(rate({raw(catalog.STORE_COMMITS.name, INSTANCE)}[$__rate_interval]))"
    return (
        panels.lines(
            "Time of a durable write",
            "How long the last probe took to commit, waiting for the lock included. Normal: milliseconds; from a "
            "second on, ingest suffers.",
            "s",
            Query(raw(catalog.STORE_PROBE_SECONDS.name, INSTANCE), "{{instance}}"),
        ),
        panels.lines(
            "Commits",
            "Durable commits that changed a count. Normal: follows the requests, and far fewer under load.",
            "wps",
            Query(commits, "commits"),
        ),
        panels.lines(
            "Events in one commit",
            "Accepted events for each durable commit: concurrent requests share one. Normal: one when quiet, more the "
            "busier it is.",
            "short",
            Query(f"sum({accepted})\n/\n({commits} > 0)", "events per commit"),
        ),
        panels.lines(
            "Size of the store",
            "Bytes on disk. Normal: grows for 31 days, the time event ids are remembered, and then hardly.",
            "bytes",
            Query(f"max({raw(catalog.STORE_SIZE.name, INSTANCE)})", "size"),
        ),
        panels.lines(
            "Age of the youngest metric",
            "How long the store has had the metric that it got last. Normal: grows; it falls to zero when a newer "
            "version brings one, which has no past to be compared with yet.",
            "s",
            Query(f"time() - max({raw(catalog.FAMILY_BEGAN.name, INSTANCE)})", "age"),
        ),
        panels.lines(
            "Requests the store could not take, in 15 minutes",
            "Answered 503, which makes Stripe repeat them. Normal: zero; one is enough for BillingStoreErrors.",
            "short",
            Query(f"sum({recorded(STORE_ERRORS.delta_name(900), SOME)})", "answered 503"),
        ).links([panels.runbook("BillingStoreErrors")]),
    )


def prometheus() -> tuple[Lines, ...]:
    """Whether Prometheus scrapes and evaluates."""
    rules = "prometheus_rule_evaluation_failures_total"
    missed = "prometheus_rule_group_iterations_missed_total"
    return (
        panels.lines(
            "Time of a scrape",
            "How long Prometheus took to fetch /metrics. Normal: well under a second, also with thousands of tenants; "
            "above the scrape timeout the exporter is down to Prometheus.",
            "s",
            Query(f"scrape_duration_seconds{{{JOB},{INSTANCE}}}", "{{instance}}"),
            width=6,
        ),
        panels.lines(
            "Series scraped",
            "Samples of each scrape. Normal: a few hundred for each tenant, growing slowly.",
            "short",
            Query(f"scrape_samples_scraped{{{JOB},{INSTANCE}}}", "{{instance}}"),
            width=6,
        ),
        panels.lines(
            "Time to evaluate the rules",
            "How long each rule group took. Normal: far below the interval of 60 s; above it evaluations are missed.",
            "s",
            Query(
                f"max by (rule_group) (prometheus_rule_group_last_duration_seconds{{{GROUPS}}})",
                "{{rule_group}}",
            ),
            width=6,
        ),
        panels.lines(
            "Rule evaluations failed and missed",
            "Evaluations a second that failed, and runs of a group that came too late to happen. Normal: zero. "
            "With failures BillingRuleEvaluationFailures fires.",
            "cps",
            Query(f"sum(rate({rules}{{{GROUPS}}}[$__rate_interval]))", "failed"),
            Query(f"sum(rate({missed}{{{GROUPS}}}[$__rate_interval]))", "missed"),
            width=6,
        ).links([panels.runbook("BillingRuleEvaluationFailures")]),
    )
