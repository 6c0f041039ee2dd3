"""Charges, refunds, disputes and payouts: what money came, and what went back."""

from __future__ import annotations

from bw_exporter.metrics import labels as lists
from bw_exporter.metrics.family import CURRENCY, Family, open_ended

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
    (open_ended("reason", lists.FAILURE_REASONS),),
)
CHARGES = Family(
    90,
    "billing_charges_total",
    "counter",
    "Charges that took money, each once, by currency.",
    (CURRENCY,),
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
    (CURRENCY,),
)
FAILED_CARDS = Family(
    45,
    "billing_failed_cards",
    "gauge",
    "Different cards that failed within the last 10 minutes, setups for later payments included; up to 10000.",
)
REFUNDS = Family(7, "billing_refunds_total", "counter", "Refunds made, each once.")
REFUNDED = Family(
    8,
    "billing_refunded_minor_units_total",
    "counter",
    "Amount refunded, in minor units of the currency.",
    (CURRENCY,),
)
REFUND_FAILURES = Family(
    9, "billing_refund_failures_total", "counter", "Refunds that failed or were canceled, each once."
)
PAYOUTS = Family(
    26,
    "billing_payouts_total",
    "counter",
    "Payouts that reached a status, each once per status.",
    (open_ended("status", lists.PAYOUT_STATUSES, "paid", "failed"),),
)
LAST_PAYOUT = Family(
    57,
    "billing_last_payout_timestamp_seconds",
    "gauge",
    "When Stripe last said that a payout was paid; 0 means never.",
)
CHECKOUT_SESSIONS = Family(
    27,
    "billing_checkout_sessions_total",
    "counter",
    "Checkout sessions that reached an outcome, each once per outcome.",
    (open_ended("outcome", lists.CHECKOUT_OUTCOMES, "completed", "expired"),),
)
