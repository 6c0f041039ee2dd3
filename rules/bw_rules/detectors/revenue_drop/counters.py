"""What is counted of money and of sales, by currency."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bw_exporter.metrics import catalog
from bw_rules.toolkit.habit import told_apart
from bw_rules.toolkit.promql import Counter, counter

if TYPE_CHECKING:
    from bw_rules.toolkit.thresholds import Base

ON = "tenant, currency"
REVENUE = counter(catalog.REVENUE, by=("tenant", "currency"), young_from_zero=False)


def _sales() -> Counter:
    """Charges that took money, by currency; and all sales of the tenant under each of its currencies.

    The latter stand for the former until a past of those is known. `share` says which of them count, and gives each
    currency its part of all sales.
    """
    charges = f"max by ({ON}) ({catalog.CHARGES.name}{{$job}})"
    currencies = f"max by ({ON}) ({catalog.REVENUE.name}{{$job}})"
    attempts = f"max by (tenant) ({catalog.CHARGE_ATTEMPTS.name}{{$job}})"
    failures = f"sum by (tenant) (max by (tenant, reason) ({catalog.CHARGE_FAILURES.name}{{$job}}))"
    sales = f"0 * {currencies}\n+ on (tenant) group_left ()\n({attempts} - on (tenant) {failures})"
    both = told_apart("of", (("charges", charges), ("attempts", sales)))
    return Counter("billing_sales", both, ("tenant", "currency", "of"), young_from_zero=False)


SALES = _sales()


def suffix(t: Base) -> str:
    """Return what the names of habits of fewer weeks end in."""
    return "" if t.weeks == t.USUAL_WEEKS else f"_{t.weeks}w"


def usual_name(counted: Counter, t: Base) -> str:
    """Return the name of the recorded usual of each window."""
    return f"tenant:{counted.name}:usual{suffix(t)}"


def ahead_name(counted: Counter, t: Base) -> str:
    """Return the name of the usual of each window of hours, recorded an hour ahead of its time."""
    return f"tenant:{counted.name}:usual_ahead{suffix(t)}"


def clock_name(t: Base) -> str:
    """Return the name of what is recorded of tenants whose clock was changed within the weeks."""
    return f"tenant:{REVENUE.name}:clock_changed{suffix(t)}"
