"""How Stripe's events reach a tenant: lag, kinds, and what was refused or ignored."""

from __future__ import annotations

from boards.toolkit import panels
from boards.toolkit.counts import counts, split
from boards.toolkit.panels import Heat, Lines
from boards.toolkit.parts import Query
from boards.toolkit.queries import ONE, STEP, latest, rise
from bw_exporter.metrics import catalog
from bw_exporter.metrics.family import Family


def delivery() -> tuple[Lines | Heat, ...]:
    """Lag, types, and answers."""
    buckets = f"{catalog.WEBHOOK_LAG.name}_bucket"
    lag = rise(buckets, "tenant, le", STEP, ONE)
    return (
        panels.heat(
            "Lag of events",
            "How long after Stripe made them events first arrived; a cell is the number of events. Normal: all in the "
            "lowest rows. High rows after an outage are Stripe's repeats.",
            Query(rise(buckets, "tenant, le", STEP, ONE, total="le"), "{{le}}", heatmap=True),
        ),
        panels.lines(
            "Lag, median and 95 %",
            "Interpolated between the histogram's buckets. Normal: a few seconds; gaps are times without events.",
            "s",
            Query(f"histogram_quantile(0.5, {lag}) >= 0", "median"),
            Query(f"histogram_quantile(0.95, {lag}) >= 0", "95 %"),
            width=12,
            height=9,
            interval=panels.BARS,
        ),
        split(
            "Events applied by type",
            "Stripe events, each once. Normal: charges and payment intents lead. A type that is missing may not be "
            "enabled at the endpoint in Stripe.",
            catalog.EVENTS,
            "type",
        ),
        split(
            "Events ignored by reason",
            "Validly signed and not applied. Normal: some redelivered; wrong_mode means that the endpoint of the other "
            "mode posts here.",
            catalog.EVENTS_IGNORED,
            "reason",
        ),
        split(
            "Webhook requests by result",
            "Every answer given to this tenant's URL. Normal: accepted, and some redelivered. bad_signature: the "
            "secret in tenants.yaml is not the endpoint's.",
            catalog.WEBHOOK_REQUESTS,
            "result",
        ),
        *_stripes_word(),
    )


def _stripes_word() -> tuple[Lines, ...]:
    """What Stripe says when it is asked; nothing without an API key."""

    def age(family: Family) -> str:
        return f"time() - ({latest(family.name, 'tenant', ONE)} > 0)"

    return (
        panels.lines(
            "Asked and heard",
            "How long ago Stripe last said which events exist, made the newest that should have arrived, and sent a "
            "webhook. Normal: the first below ten minutes, and the last no older than the newest event. Without an API "
            "key only the last is drawn.",
            "s",
            Query(age(catalog.CATCH_UP_SUCCESS), "asked"),
            Query(age(catalog.STRIPE_NEWEST_EVENT), "newest event at Stripe"),
            Query(age(catalog.LAST_EVENT), "last webhook"),
        ),
        counts(
            "Events that no webhook brought",
            "Counted by catch-up, each once. Normal: zero; after an outage all that it missed, at once.",
            (catalog.EVENTS_CAUGHT_UP, "caught up"),
        ),
        split(
            "Stripe's API did not answer, by reason",
            "Turns of catch-up that failed. Normal: zero. authentication: the key was revoked; bw-exporter probe says "
            "what to do.",
            catalog.CATCH_UP_ERRORS,
            "reason",
        ),
        panels.lines(
            "Endpoint at Stripe",
            "Normal: 1, the webhook endpoint is enabled; 0 once Stripe or somebody has disabled it. Nothing without an "
            "API key that may read endpoints.",
            "short",
            Query(latest(catalog.ENDPOINT_ENABLED.name, "tenant", ONE), "enabled"),
            width=12,
        ),
        panels.lines(
            "Tenant's clock ahead of UTC",
            "Normal: by the tenant's time zone; it steps when summer time begins and ends, and the shop's habits with "
            "it.",
            "s",
            Query(latest(catalog.TENANT_UTC_OFFSET.name, "tenant", ONE), "ahead of UTC"),
            width=12,
        ),
    )
