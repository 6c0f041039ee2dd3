"""What the checks found, and what they left unjudged."""

from __future__ import annotations

from bw_exporter.metrics import labels as lists
from bw_exporter.metrics.family import CURRENCY, Family, closed, open_ended

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
    (CURRENCY,),
)
DUPLICATE_SKIPPED = Family(
    18,
    "billing_duplicate_checks_skipped_total",
    "counter",
    "Charges not compared with others, or no longer: without a payer, or evicted from memory.",
    (closed("reason", ("no_payer", "evicted")),),
)
INVOICE_CHECKS = Family(
    19,
    "billing_invoice_checks_total",
    "counter",
    "Invoices compared with their subscription, each once, by verdict.",
    (closed("verdict", lists.INVOICE_VERDICTS),),
)
INVOICE_ABSTENTIONS = Family(
    20,
    "billing_invoice_abstentions_total",
    "counter",
    "Invoice checks that abstained, by reason.",
    (open_ended("reason", lists.INVOICE_ABSTENTIONS),),
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
FINDINGS = Family(
    58,
    "billing_findings_total",
    "counter",
    "Findings of the checks, each once, by kind.",
    (closed("kind", lists.FINDING_KINDS),),
)
LAST_FINDING = Family(
    59,
    "billing_last_finding_timestamp_seconds",
    "gauge",
    "When a check last found something; 0 means never.",
)
