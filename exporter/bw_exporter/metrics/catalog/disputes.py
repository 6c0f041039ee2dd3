"""Disputes, inquiries and early fraud warnings."""

from __future__ import annotations

from bw_exporter.metrics import labels as lists
from bw_exporter.metrics.family import CURRENCY, Family, closed, open_ended

DISPUTES = Family(
    10,
    "billing_disputes_total",
    "counter",
    "Disputes opened, each once, inquiries not included, by reason.",
    (open_ended("reason", lists.DISPUTE_REASONS),),
)
DISPUTES_CLOSED = Family(
    11,
    "billing_disputes_closed_total",
    "counter",
    "Disputes and inquiries closed, each once, by outcome.",
    (open_ended("outcome", lists.DISPUTE_OUTCOMES, "won", "lost"),),
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
    (closed("direction", ("withdrawn", "reinstated")), CURRENCY),
)
EARLY_FRAUD_WARNINGS = Family(
    15, "billing_early_fraud_warnings_total", "counter", "Radar early fraud warnings, each once."
)
DISPUTES_NEXT_DUE = Family(
    55,
    "billing_disputes_next_due_timestamp_seconds",
    "gauge",
    "The earliest time by which evidence is due for a dispute that waits for it, inquiries not included; 0 means none.",
)
DISPUTED_OPEN = Family(
    56,
    "billing_disputed_open_minor_units",
    "gauge",
    "Amount of the disputes in billing_disputes_open, in minor units of the currency.",
    (CURRENCY,),
)
