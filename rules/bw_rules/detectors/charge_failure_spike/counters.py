"""What is counted of payments, and how much of it says nothing of now."""

from __future__ import annotations

from bw_exporter.metrics import catalog
from bw_exporter.metrics.catalog import WEBHOOK_LAG
from bw_rules.toolkit.promql import Counter, counter

FAILURES = counter(catalog.CHARGE_FAILURES, summed="reason")
ATTEMPTS = counter(catalog.CHARGE_ATTEMPTS)
INVOICED = counter(catalog.INVOICE_PAYMENT_FAILURES)


def _beside_invoices(counted: Counter, name: str) -> Counter:
    return Counter(name, f"{counted.latest}\n- on (tenant)\n{INVOICED.latest}")


CHECKOUT_FAILURES = _beside_invoices(FAILURES, "billing_checkout_failures")
"""Without the payments that failed on invoices: those are mostly retries of known cards, in waves."""
CHECKOUT_ATTEMPTS = _beside_invoices(ATTEMPTS, "billing_checkout_attempts")

_SEEN = f"max by (tenant) ({WEBHOOK_LAG.name}_count{{$job}})"
EVENTS = Counter(f"{WEBHOOK_LAG.name}_count", _SEEN)


def older_than(seconds: int) -> Counter:
    """Return the counter of events that were made longer ago than a bucket's bound when they came."""
    bucket = f'{WEBHOOK_LAG.name}_bucket{{$job,le="{seconds}.0"}}'
    name = f"{WEBHOOK_LAG.name}_over{seconds}s"
    return Counter(name, f"{_SEEN}\n- on (tenant)\nmax by (tenant) ({bucket})")
