"""Events on their way: applied, ignored, late, refused; and what Stripe's API says of them."""

from __future__ import annotations

from bw_exporter.metrics import labels as lists
from bw_exporter.metrics.family import Family, closed, open_ended

LAG_BUCKETS_SECONDS = (1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 21600, 86400, 259200)
"""Upper bounds of billing_webhook_lag_seconds; a webhook_lag threshold has to be one of them."""

EVENTS = Family(
    1,
    "billing_events_total",
    "counter",
    "Stripe events applied, each once, by event type.",
    (open_ended("type", (*lists.HANDLED_EVENT_TYPES, "other")),),
)
EVENTS_IGNORED = Family(
    2,
    "billing_events_ignored_total",
    "counter",
    "Validly signed deliveries that were not applied, by reason.",
    (closed("reason", lists.IGNORED_REASONS),),
)
WEBHOOK_LAG = Family(
    28,
    "billing_webhook_lag_seconds",
    "histogram",
    "Whole seconds from an event's creation at Stripe to its first receipt here.",
    buckets=LAG_BUCKETS_SECONDS,
)
LAST_EVENT = Family(
    29,
    "billing_last_event_timestamp_seconds",
    "gauge",
    "When the last validly signed event arrived, ignored ones included; 0 means never.",
)
WEBHOOK_REQUESTS = Family(
    33,
    "billingwatch_webhook_requests_total",
    "counter",
    "Webhook requests answered, by result; requests for unknown tenants carry an empty tenant.",
    (closed("result", lists.REQUEST_RESULTS),),
)
UNKNOWN_TENANT = "unknown_tenant"
"""The result under which WEBHOOK_REQUESTS counts requests for no tenant of ours, with tenant=""."""

EVENTS_CAUGHT_UP = Family(
    35,
    "billing_events_caught_up_total",
    "counter",
    "Events that Stripe had made and no webhook had brought, applied by catch-up, each once.",
)
STRIPE_NEWEST_EVENT = Family(
    36,
    "billing_stripe_newest_event_timestamp_seconds",
    "gauge",
    "When the newest event was made that a webhook should have brought by now; 0 means that Stripe was not asked.",
)
CATCH_UP_SUCCESS = Family(
    37,
    "billing_catch_up_success_timestamp_seconds",
    "gauge",
    "When catch-up last knew all events of the tenant up to its delay; 0 means never.",
)
CATCH_UP_ERRORS = Family(
    38,
    "billing_catch_up_errors_total",
    "counter",
    "Turns of catch-up that Stripe's API did not answer, by reason.",
    (closed("reason", lists.CATCH_UP_ERRORS),),
)
CATCH_UP_INTERVAL = Family(
    180,
    "billing_catch_up_interval_seconds",
    "gauge",
    "How often Stripe is asked for the tenant's events, by tenants.yaml; 0 means that it is not asked.",
    stored=False,
)
ENDPOINT_ENABLED = Family(
    39,
    "billing_webhook_endpoint_enabled",
    "gauge",
    "1 while the tenant's webhook endpoint at Stripe is enabled, else 0; only where an API key could see it.",
    from_start=False,
)
