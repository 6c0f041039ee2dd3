"""How Stripe's events reach a tenant: lag, kinds, and what was refused or ignored."""

from __future__ import annotations

from boards import panels
from boards.counts import split
from boards.panels import Heat, Lines
from boards.parts import Query
from boards.queries import ONE, STEP, rise
from bw_exporter.metrics import catalog


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
    )
