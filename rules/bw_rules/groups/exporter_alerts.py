"""Exporter alerts: that the exporter, its store or the rules do not work, and the heartbeat that always fires."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bw_exporter.config.durations import render as duration
from bw_exporter.metrics import catalog
from bw_rules.groups.rule import Alert, Group
from bw_rules.toolkit.detector import VALUE, Runbook
from bw_rules.toolkit.promql import DAY, Scope, counter, quoted
from bw_rules.toolkit.rise import first_look

if TYPE_CHECKING:
    from collections.abc import Iterable

NAME = "watchdog"
"""Value of the label `detector` on these alerts, and name of their group, which configurations of users match."""
EVALUATION_FAILURES = "BillingRuleEvaluationFailures"
_MINUTE = 60
_REFUSED = 'result=~"bad_signature|expired_signature|malformed|too_large|rate_limited|unknown_tenant"'
_OUR_GROUPS = 'rule_group=~".*;billingwatch[.][a-z_]+([.][a-z0-9]+)*"'
"""Prometheus' label is the rule file, which may be anybody's, and after `;` the group's name."""
_ACCEPTED = 'result=~"accepted|redelivered"'

EVENTS = counter(catalog.EVENTS, summed="type")
REFUSED = counter(
    catalog.WEBHOOK_REQUESTS, where=_REFUSED, summed="result", name="billingwatch_webhook_refused"
)
ACCEPTED = counter(
    catalog.WEBHOOK_REQUESTS, where=_ACCEPTED, summed="result", name="billingwatch_webhook_accepted"
)
STORE_ERRORS = counter(
    catalog.WEBHOOK_REQUESTS, where='result="store_error"', summed="result", name="billingwatch_store_errors"
)
_COUNTERS = (EVENTS, REFUSED, ACCEPTED, STORE_ERRORS)
_WINDOW = 15 * _MINUTE


@dataclass(frozen=True, slots=True)
class ExporterAlert:
    """One exporter alert; `labels` survive its expression, `for_` and `keep_firing_for` are seconds."""

    name: str
    severity: str
    summary: str
    description: str
    expr: str
    runbook: Runbook
    labels: tuple[str, ...] = ()
    for_: int = 0
    keep_firing_for: int = 0
    profile: str = "default"


def group(
    job: str,
    runbook_base: str,
    dashboard_base: str,
    of_tenants: Iterable[ExporterAlert],
    labels: Iterable[tuple[str, str]] = (),
) -> Group:
    """Return the group of the exporter alerts; `of_tenants` are those that depend on what tenants have chosen.

    `labels` are those of `defaults`, for alerts that name a tenant. A tenant's own would cost a rule of each such
    alert for every distinct set of labels, which exporter alerts are not worth.
    """
    scope = Scope(job)
    recordings = (
        *(one.recording(scope) for one in _COUNTERS),
        *(one.delta(scope, _WINDOW) for one in (REFUSED, ACCEPTED, STORE_ERRORS)),
    )
    found = tuple(_rule(one, runbook_base, dashboard_base, labels) for one in (*alerts(job), *of_tenants))
    return Group(f"billingwatch.{NAME}", (*recordings, *found))


def _rule(
    one: ExporterAlert, runbook_base: str, dashboard_base: str, labels: Iterable[tuple[str, str]]
) -> Alert:
    of_tenant = labels if "tenant" in one.labels else ()
    tenant = "?var-tenant={{ $labels.tenant }}" if "tenant" in one.labels else ""
    return Alert(
        one.name,
        one.expr,
        (*of_tenant, ("severity", one.severity), ("detector", NAME), ("threshold_profile", one.profile)),
        (
            ("summary", one.summary),
            ("description", one.description),
            ("runbook_url", f"{runbook_base.rstrip('/')}/{one.name}.md"),
            ("dashboard_url", f"{dashboard_base.rstrip('/')}/billingwatch-exporter{tenant}"),
        ),
        one.for_,
        one.keep_firing_for,
    )


def alerts(job: str) -> tuple[ExporterAlert, ...]:
    """Return the exporter alerts in the order of their rules; `job` is the exporter's scrape job."""
    scope = Scope(job)
    up = f"up{{job={quoted(job)}}}"
    refused, accepted = REFUSED.delta_name(_WINDOW), ACCEPTED.delta_name(_WINDOW)
    errors, events = STORE_ERRORS.delta_name(_WINDOW), EVENTS.max_name
    return (
        ExporterAlert(
            "BillingExporterDown",
            "critical",
            "No replica of the exporter can be scraped.",
            "No exporter can be reached, so nothing is watched. Stripe repeats its events for three days.",
            f"(max({up}) or vector(0)) == 0",
            Runbook(
                "Prometheus has reached no replica of the exporter's private listener for two minutes.",
                "No billing alert can fire. No event is lost if the exporter is back within Stripe's three days.",
                "1. Is the process running, and what are its last log lines?\n"
                "2. Does `curl http://…:9847/-/healthy` answer from Prometheus' host? Look at its targets page.\n"
                "3. Is the job called as the rules were rendered for (`bw-rules render --job`)?",
                "Nothing to tune; `--job` must name the job of your scrape configuration.",
            ),
            for_=2 * _MINUTE,
        ),
        ExporterAlert(
            "BillingExporterReplicaDown",
            "warning",
            "One replica of the exporter cannot be scraped.",
            "{{ $labels.instance }} cannot be scraped; others can, so the counts are still right.",
            f"{up} == 0\nand on () (max({up}) == 1)",
            Runbook(
                "One replica cannot be scraped while another can.",
                "None yet: all replicas serve the same totals. One more failure and BillingExporterDown fires.",
                "1. The replica's last log lines.\n2. Its `/-/ready`: can it reach the store?",
                "Nothing to tune.",
            ),
            labels=("instance",),
            for_=5 * _MINUTE,
        ),
        ExporterAlert(
            "BillingWebhookRefused",
            "warning",
            "Webhook requests are refused.",
            f"{VALUE} requests {{{{ if $labels.tenant }}}}for {{{{ $labels.tenant }}}} were refused within "
            f"{duration(_WINDOW)}, more than were accepted{{{{ else }}}}with a Stripe signature named no tenant within "
            f"{duration(_WINDOW)}{{{{ end }}}}. The exporter's landing page says why.",
            f'{refused}{{tenant!=""}} >= 5\nand on (tenant) ({refused} > on (tenant) {accepted})\n'
            f'or\n{refused}{{tenant=""}} >= 5',
            Runbook(
                "Most requests to this tenant's URL were answered 400, 413 or 429. Without a tenant: requests with a "
                "`Stripe-Signature` header were answered 404 or 405, since no tenant has their URL.",
                "Events that Stripe sends are not counted. Stripe repeats them for three days.",
                f"1. Why, within {duration(_WINDOW)}?"
                f"{first_look(catalog.WEBHOOK_REQUESTS, 'result', duration(_WINDOW))}"
                "2. `bad_signature`: the secret in tenants.yaml is not that of the endpoint, or a stranger posts. "
                "Compare with Stripe's dashboard, Developers > Webhooks; while rolling, list both secrets.\n"
                "3. `expired_signature`: the clock is wrong. `rate_limited`: raise `rate_limit`.\n"
                "4. `unknown_tenant`: compare the URL of each endpoint in Stripe's dashboard with the landing page, "
                "letter by letter: a slash at its end, a prefix that a proxy adds, a tenant that was removed.",
                "Give the tenant a `path_token`, so that strangers cannot find its URL.",
            ),
            labels=("tenant",),
            for_=5 * _MINUTE,
            keep_firing_for=_WINDOW,
        ),
        ExporterAlert(
            "BillingStoreErrors",
            "critical",
            "The exporter cannot write to its store.",
            "Requests were answered 503, or the store's probe fails; Stripe repeats what was not counted.",
            f"sum({errors}) >= 1\nor on ()\n(1 - min({scope.raw(catalog.STORE_UP.name)}) == 1)",
            Runbook(
                "Events could not be committed, so they were answered 503, which makes Stripe send them again.",
                "No event is lost within three days; what is counted is late.",
                "1. The exporter's log names the store's error: disk full, no permission, database away.\n"
                "2. `billingwatch_store_size_bytes` and the free space of its disk.\n"
                "3. `/-/ready` says when it works again.",
                "Nothing to tune.",
            ),
        ),
        ExporterAlert(
            "BillingConfigReloadFailed",
            "warning",
            "The exporter could not load its tenants.yaml.",
            "{{ $labels.instance }} still runs on the last good configuration.",
            f"{scope.raw(catalog.CONFIG_LAST_RELOAD_SUCCESSFUL.name)} == 0",
            Runbook(
                "The last reload of tenants.yaml failed; the last good one is in force.",
                "New tenants are not served and changed thresholds not used; a restart would fail.",
                "1. `bw-exporter check-config --config.file tenants.yaml` names each mistake and the way out.\n"
                "2. Correct the file and reload (SIGHUP or `POST /-/reload`).",
                "Nothing to tune.",
            ),
            labels=("instance",),
            for_=2 * _MINUTE,
        ),
        ExporterAlert(
            "BillingCounterReset",
            "warning",
            "The counters went back: an older store is in use.",
            "The events of {{ $labels.tenant }} went back to "
            + VALUE
            + ". Until windows no longer reach over "
            "this moment, trouble that the older store lacks is not counted.",
            f"{events}\n< on (tenant)\nlast_over_time({events}[1d] offset 10m)",
            Runbook(
                "A counter that never resets fell: the store was restored from a backup, or replaced.",
                "What the older store lacks is missing from the counts of failures, disputes and findings, so trouble "
                "before the reset may go unseen. Revenue, attempts and the pasts that are compared with are made good "
                "by what was lost, where the exporter was away for less than six hours.",
                "1. Was the store restored or its volume lost?\n"
                "2. Do all replicas use the same store?\n"
                "3. Let Stripe send again what the backup lacks (dashboard, or `stripe events resend`).",
                "Nothing to tune.",
            ),
            labels=("tenant",),
            keep_firing_for=DAY,
        ),
        ExporterAlert(
            EVALUATION_FAILURES,
            "critical",
            "Prometheus fails to evaluate the billing rules.",
            f"{VALUE} evaluations in {{{{ $labels.rule_group }}}} failed within 10m; its alerts cannot fire.",
            "sum by (rule_group) (\n"
            f"  increase(prometheus_rule_evaluation_failures_total{{{_OUR_GROUPS}}}[10m])\n"
            ") > 0",
            Runbook(
                "Prometheus could not evaluate rules of a group of ours.",
                "The detectors of that group are blind.",
                "1. Prometheus' rules page shows the error beside the rule.\n"
                "2. Is another rule file recording the same names?\n"
                "3. `bw-rules check` on the loaded file.",
                "Nothing to tune.",
            ),
            labels=("rule_group",),
        ),
        ExporterAlert(
            "BillingWatchdog",
            "info",
            "The alerting pipeline works.",
            "This alert always fires. Send it to a service that tells you when it no longer arrives.",
            "vector(1) == 1",
            Runbook(
                "It is the heartbeat: it always fires, so that another service notices when it does not arrive.",
                "None while it fires. When it stops arriving, Prometheus or Alertmanager is down.",
                "1. Name the receiver that waits for it under `watchdog.heartbeat` in tenants.yaml.",
                "Nothing to tune.",
            ),
        ),
    )
