"""Series as the store keys them: the finished exposition line up to the value, and where it stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from bw_exporter.catalog import Family


class Series(NamedTuple):
    """One line of the exposition. `rank` orders the lines of one family and tenant (buckets before +Inf)."""

    family: int
    tenant: str
    rank: int
    line: str


@dataclass(frozen=True, slots=True)
class Add:
    """A counter's or gauge's change: `amount` more (a gauge also less) on the series with these label values."""

    family: Family
    values: tuple[str, ...] = ()
    amount: int = 1


@dataclass(frozen=True, slots=True)
class RaiseTo:
    """A gauge that only rises: at least `value` from now on."""

    family: Family
    value: int


@dataclass(frozen=True, slots=True)
class Observe:
    """One observation, in whole units, of a histogram."""

    family: Family
    value: int


Change = Add | RaiseTo | Observe


def series(family: Family, tenant: str, values: tuple[str, ...] = ()) -> Series:
    """Return the series of a counter or gauge. Tenant ids and listed label values need no escaping."""
    names = family.label_names
    texts = (tenant, *values) if family.per_tenant else values
    if not names:
        return Series(family.number, tenant, 0, f"{family.name} ")
    inner = ",".join(f'{name}="{text}"' for name, text in zip(names, texts, strict=True))
    return Series(family.number, tenant, 0, f"{family.name}{{{inner}}} ")


def histogram(family: Family, tenant: str) -> tuple[list[tuple[float, Series]], Series, Series]:
    """Return a histogram's buckets (upper bound, series), its sum and its count.

    Buckets are cumulative, so the exposition needs no arithmetic; `le` is written 30.0, as Prometheus 3
    would normalise it.
    """
    buckets = []
    for rank, bound in enumerate((*family.buckets, float("inf"))):
        le = "+Inf" if bound == float("inf") else f"{bound:.1f}"
        line = f'{family.name}_bucket{{tenant="{tenant}",le="{le}"}} '
        buckets.append((bound, Series(family.number, tenant, rank, line)))
    total = Series(family.number, tenant, len(buckets), f'{family.name}_sum{{tenant="{tenant}"}} ')
    count = Series(family.number, tenant, len(buckets) + 1, f'{family.name}_count{{tenant="{tenant}"}} ')
    return buckets, total, count


def increments(change: Add | Observe, tenant: str) -> list[tuple[Series, int]]:
    """Return what each series grows by."""
    if isinstance(change, Add):
        return [(series(change.family, tenant, change.values), change.amount)]
    buckets, total, count = histogram(change.family, tenant)
    grown = [(line, 1) for bound, line in buckets if change.value <= bound]
    return [*grown, (total, change.value), (count, 1)]


def initial(family: Family, tenant: str) -> list[Series]:
    """Return the series that a family exports from the start, at 0."""
    if family.type == "histogram":
        buckets, total, count = histogram(family, tenant)
        return [line for _, line in buckets] + [total, count]
    combinations: list[tuple[str, ...]] = [()]
    for label in family.labels:
        combinations = [(*left, right) for left in combinations for right in label.initial]
    return [series(family, tenant, values) for values in combinations]
