"""Every metric this project exposes: name, type, help, labels and buckets, in the order of the exposition.

The store keys its rows by a family's `number` and by the finished text of a line up to the value, so a
number is never used again and a changed name or label needs a migration that rewrites the stored lines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bw_exporter.metrics import labels as lists
from bw_exporter.metrics.money import OTHER

LAG_BUCKETS_SECONDS = (1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 21600, 86400, 259200)
"""Upper bounds of billing_webhook_lag_seconds; a webhook_lag threshold has to be one of them."""


@dataclass(frozen=True, slots=True)
class Label:
    """One label beside `tenant`: every value it can take, and those exported at 0 from the start."""

    name: str
    values: tuple[str, ...]
    initial: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """One metric family; there is one object of each, so that hashing it costs nothing.

    `per_tenant` families carry the label `tenant`. `stored` ones live in the store under `number`;
    the others follow from the configuration or from the serving process. One that is not `from_start` has no
    series until its first change: it tells of what may not be there.
    """

    number: int
    name: str
    type: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[Label, ...] = ()
    per_tenant: bool = True
    stored: bool = True
    from_start: bool = True
    buckets: tuple[int, ...] = ()

    @property
    def sample_names(self) -> tuple[str, ...]:
        """Names that samples of this family carry."""
        if self.type == "histogram":
            return tuple(f"{self.name}_{suffix}" for suffix in ("bucket", "sum", "count"))
        return (self.name,)

    @property
    def label_names(self) -> tuple[str, ...]:
        """Names of all labels, `tenant` first; a histogram's `le` is not among them."""
        own = tuple(label.name for label in self.labels)
        return ("tenant", *own) if self.per_tenant else own


def _closed(name: str, values: tuple[str, ...]) -> Label:
    """A short list, exported whole from the start."""
    return Label(name, values, values)


def _open(name: str, values: tuple[str, ...], *initial: str) -> Label:
    """A long list: most series appear with their first increment; `initial`, and `other`, are there from the start."""
    rest = (OTHER,) if OTHER in values else ()
    return Label(name, values, (*initial, *rest))


_CURRENCY = _open("currency", lists.CURRENCIES)

EVENTS = Family(
    1,
    "billing_events_total",
    "counter",
    "Stripe events applied, each once, by event type.",
    (_open("type", (*lists.HANDLED_EVENT_TYPES, "other")),),
)
EVENTS_IGNORED = Family(
    2,
    "billing_events_ignored_total",
    "counter",
    "Validly signed deliveries that were not applied, by reason.",
    (_closed("reason", lists.IGNORED_REASONS),),
)
CHARGE_ATTEMPTS = Family(
    3,
    "billing_charge_attempts_total",
    "counter",
    "Charges seen succeeded or failed, each once.",
)
CHARGE_FAILURES = Family(
    4,
    "billing_charge_failures_total",
    "counter",
    "Charges seen failed, each once, by failure code or listed decline reason.",
    (_open("reason", lists.FAILURE_REASONS),),
)
AUTHENTICATION_FAILURES = Family(
    5,
    "billing_authentication_failures_total",
    "counter",
    "Payment intents that failed before any charge was made.",
)
REVENUE = Family(
    6,
    "billing_revenue_minor_units_total",
    "counter",
    "Gross revenue on the tenant's revenue basis, in minor units of the currency.",
    (_CURRENCY,),
)
REFUNDS = Family(7, "billing_refunds_total", "counter", "Refunds made, each once.")
REFUNDED = Family(
    8,
    "billing_refunded_minor_units_total",
    "counter",
    "Amount refunded, in minor units of the currency.",
    (_CURRENCY,),
)
REFUND_FAILURES = Family(
    9, "billing_refund_failures_total", "counter", "Refunds that failed or were canceled, each once."
)
DISPUTES = Family(
    10,
    "billing_disputes_total",
    "counter",
    "Disputes opened, each once, inquiries not included, by reason.",
    (_open("reason", lists.DISPUTE_REASONS),),
)
DISPUTES_CLOSED = Family(
    11,
    "billing_disputes_closed_total",
    "counter",
    "Disputes and inquiries closed, each once, by outcome.",
    (_open("outcome", lists.DISPUTE_OUTCOMES, "won", "lost"),),
)
INQUIRIES = Family(
    12, "billing_inquiries_total", "counter", "Inquiries (disputes in a warning status) opened, each once."
)
DISPUTES_OPEN = Family(
    13,
    "billing_disputes_open",
    "gauge",
    "Disputes counted and not closed yet, inquiries not included; one is let go 120 days after its last change.",
)
DISPUTE_FUNDS = Family(
    14,
    "billing_dispute_funds_minor_units_total",
    "counter",
    "Money moved by disputes, fees included, in minor units of the currency.",
    (_closed("direction", ("withdrawn", "reinstated")), _CURRENCY),
)
EARLY_FRAUD_WARNINGS = Family(
    15, "billing_early_fraud_warnings_total", "counter", "Radar early fraud warnings, each once."
)
DUPLICATE_CHARGES = Family(
    16,
    "billing_duplicate_charges_total",
    "counter",
    "Charges that took the same amount from the same payer again within the tenant's window.",
)
DUPLICATE_AMOUNT = Family(
    17,
    "billing_duplicate_charge_minor_units_total",
    "counter",
    "Amount of duplicate charges, in minor units of the currency.",
    (_CURRENCY,),
)
DUPLICATE_SKIPPED = Family(
    18,
    "billing_duplicate_checks_skipped_total",
    "counter",
    "Charges not compared with others, or no longer: without a payer, or evicted from memory.",
    (_closed("reason", ("no_payer", "evicted")),),
)
INVOICE_CHECKS = Family(
    19,
    "billing_invoice_checks_total",
    "counter",
    "Invoices compared with their subscription, each once, by verdict.",
    (_closed("verdict", lists.INVOICE_VERDICTS),),
)
INVOICE_ABSTENTIONS = Family(
    20,
    "billing_invoice_abstentions_total",
    "counter",
    "Invoice checks that abstained, by reason.",
    (_open("reason", lists.INVOICE_ABSTENTIONS),),
)
INVOICES_PAID = Family(21, "billing_invoices_paid_total", "counter", "Invoices paid, each once.")
INVOICES_PAID_AMOUNT = Family(
    22,
    "billing_invoices_paid_minor_units_total",
    "counter",
    "Amount of invoices paid, in minor units of the currency; not to be added to revenue.",
    (_CURRENCY,),
)
INVOICE_PAYMENT_FAILURES = Family(
    23,
    "billing_invoice_payment_failures_total",
    "counter",
    "Failed attempts to collect an invoice, each attempt once.",
)
SUBSCRIPTIONS = Family(
    24,
    "billing_subscriptions",
    "gauge",
    "Subscriptions seen, by status; canceled ones count for 60 days.",
    (_open("status", lists.SUBSCRIPTION_STATUSES, "active"),),
)
SUBSCRIPTION_CHANGES = Family(
    25,
    "billing_subscription_changes_total",
    "counter",
    "Changes in the life of subscriptions, by kind.",
    (_open("change", lists.SUBSCRIPTION_CHANGES, "created", "canceled"),),
)
PAYOUTS = Family(
    26,
    "billing_payouts_total",
    "counter",
    "Payouts that reached a status, each once per status.",
    (_open("status", lists.PAYOUT_STATUSES, "paid", "failed"),),
)
CHECKOUT_SESSIONS = Family(
    27,
    "billing_checkout_sessions_total",
    "counter",
    "Checkout sessions that reached an outcome, each once per outcome.",
    (_open("outcome", lists.CHECKOUT_OUTCOMES, "completed", "expired"),),
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
LAST_DUPLICATE = Family(
    30,
    "billing_last_duplicate_charge_timestamp_seconds",
    "gauge",
    "When a duplicate charge was last found; 0 means never.",
)
LAST_MISMATCH = Family(
    31,
    "billing_last_invoice_mismatch_timestamp_seconds",
    "gauge",
    "When an invoice mismatch was last found; 0 means never.",
)
TENANT_CREATED = Family(
    32,
    "billing_tenant_created_timestamp_seconds",
    "gauge",
    "When this store first knew the tenant.",
)
WEBHOOK_REQUESTS = Family(
    33,
    "billingwatch_webhook_requests_total",
    "counter",
    "Webhook requests answered, by result; requests for unknown tenants carry an empty tenant.",
    (_closed("result", lists.REQUEST_RESULTS),),
)
UNKNOWN_TENANT = "unknown_tenant"
"""The result under which WEBHOOK_REQUESTS counts requests for no tenant of ours, with tenant=""."""

STORE_COMMITS = Family(
    34,
    "billingwatch_store_commits_total",
    "counter",
    "Durable commits that changed a count; webhook requests per commit is the size of the groups.",
    per_tenant=False,
)
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
    (_closed("reason", lists.CATCH_UP_ERRORS),),
)
ENDPOINT_ENABLED = Family(
    39,
    "billing_webhook_endpoint_enabled",
    "gauge",
    "1 while the tenant's webhook endpoint at Stripe is enabled, else 0; only where an API key could see it.",
    from_start=False,
)
FAMILY_BEGAN = Family(
    99,
    "billingwatch_family_began_timestamp_seconds",
    "gauge",
    "When this store first had the family; one that a newer version brought has no past before that.",
    (Label("family", (), ()),),
    per_tenant=False,
)
TENANT_INFO = Family(
    101,
    "billing_tenant_info",
    "gauge",
    "Name and mode of each configured tenant; the value is 1.",
    (Label("name", (), ()), Label("mode", ("live", "test"), ())),
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
TENANT_UTC_OFFSET = Family(
    110,
    "billing_tenant_utc_offset_seconds",
    "gauge",
    "How far the clock of the tenant's time zone is ahead of UTC now, daylight saving time included.",
    stored=False,
)

FAMILIES: tuple[Family, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Family))
"""All families, in the order of the exposition."""
