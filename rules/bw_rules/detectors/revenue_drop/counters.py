"""What is counted of money and of sales, by currency."""

from __future__ import annotations

from bw_exporter.metrics import catalog
from bw_rules.toolkit.promql import Counter, counter

ON = "tenant, currency"
REVENUE = counter(catalog.REVENUE, by=("tenant", "currency"), young_from_zero=False)


def _sales() -> Counter:
    """All sales of the tenant under each of its currencies; `evidence` gives each currency its part of them."""
    currencies = f"max by ({ON}) ({catalog.REVENUE.name}{{$job}})"
    attempts = f"max by (tenant) ({catalog.CHARGE_ATTEMPTS.name}{{$job}})"
    failures = f"sum by (tenant) (max by (tenant, reason) ({catalog.CHARGE_FAILURES.name}{{$job}}))"
    sales = f"0 * {currencies}\n+ on (tenant) group_left ()\n({attempts} - on (tenant) {failures})"
    return Counter("billing_sales", sales, ("tenant", "currency"), young_from_zero=False)


SALES = _sales()
