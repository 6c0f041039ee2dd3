"""Subscriptions and their invoices."""

from __future__ import annotations

from bw_exporter.metrics import labels as lists
from bw_exporter.metrics.family import CURRENCY, Family, open_ended

INVOICES_PAID = Family(21, "billing_invoices_paid_total", "counter", "Invoices paid, each once.")
INVOICES_PAID_AMOUNT = Family(
    22,
    "billing_invoices_paid_minor_units_total",
    "counter",
    "Amount of invoices paid, in minor units of the currency; not to be added to revenue.",
    (CURRENCY,),
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
    (open_ended("status", lists.SUBSCRIPTION_STATUSES, "active"),),
)
SUBSCRIPTION_CHANGES = Family(
    25,
    "billing_subscription_changes_total",
    "counter",
    "Changes in the life of subscriptions, by kind.",
    (open_ended("change", lists.SUBSCRIPTION_CHANGES, "created", "canceled"),),
)
MRR = Family(
    40,
    "billing_mrr_minor_units",
    "gauge",
    "Monthly value of the active and past due subscriptions, in minor units of the currency; docs/mrr.md says how.",
    (CURRENCY,),
)
MRR_MOVEMENT = Family(
    41,
    "billing_mrr_movement_minor_units_total",
    "counter",
    "How MRR moved, in minor units of the currency; the sum, contraction and churn taken off, is MRR.",
    (CURRENCY, open_ended("movement", lists.MRR_MOVEMENTS, "new")),
)
MRR_MOVEMENTS = Family(
    42,
    "billing_mrr_movements_total",
    "counter",
    "How often a subscription moved MRR; one whose price can no longer be told is no loss here.",
    (CURRENCY, open_ended("movement", lists.MRR_MOVEMENTS, "new")),
)
MRR_EXCLUDED = Family(
    43,
    "billing_mrr_excluded_subscriptions",
    "gauge",
    "Live subscriptions that MRR leaves out, or an item of theirs, by reason.",
    (open_ended("reason", lists.MRR_EXCLUSIONS, "metered"),),
)
