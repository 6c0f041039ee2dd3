"""Series as the store keys them: the finished exposition line up to the value, and where it stands."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from bw_exporter.metrics.catalog import FAMILIES, STORE_COMMITS, UNKNOWN_TENANT, WEBHOOK_REQUESTS
from bw_exporter.metrics.family import Family


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

_SERIES_KEPT = 1 << 14
"""A few MiB. Making a series costs ten times a look-up, and a busy tenant has about ten."""


@lru_cache(maxsize=_SERIES_KEPT)
def series(family: Family, tenant: str, values: tuple[str, ...] = ()) -> Series:
    """Return the series of a counter or gauge. Tenant ids and listed label values need no escaping."""
    names = family.label_names
    texts = (tenant, *values) if family.per_tenant else values
    if not names:
        return Series(family.number, tenant, 0, f"{family.name} ")
    inner = ",".join(f'{name}="{text}"' for name, text in zip(names, texts, strict=True))
    return Series(family.number, tenant, 0, f"{family.name}{{{inner}}} ")


def histogram(family: Family, tenant: str) -> list[Series]:
    """Return a histogram's series by rank: its buckets, its sum and its count.

    Buckets are cumulative, so the exposition needs no arithmetic; `le` is written 30.0, as Prometheus 3
    would normalise it.
    """
    buckets = []
    for rank, bound in enumerate((*family.buckets, float("inf"))):
        le = "+Inf" if bound == float("inf") else f"{bound:.1f}"
        line = f'{family.name}_bucket{{tenant="{tenant}",le="{le}"}} '
        buckets.append(Series(family.number, tenant, rank, line))
    rank = sum_rank(family)
    total = Series(family.number, tenant, rank, f'{family.name}_sum{{tenant="{tenant}"}} ')
    count = Series(family.number, tenant, rank + 1, f'{family.name}_count{{tenant="{tenant}"}} ')
    return [*buckets, total, count]


def first_bucket(family: Family, value: int) -> int:
    """Return the rank of the smallest bucket that holds an observation; every later one holds it too."""
    return bisect_left(family.buckets, value)


def sum_rank(family: Family) -> int:
    """Return the rank of a histogram's sum, which stands between +Inf and the count."""
    return len(family.buckets) + 1


def of_tenant(tenant: str) -> list[Series]:
    """Return every stored series that a tenant exports from the start, at 0."""
    return [
        line for family in FAMILIES if family.stored and family.per_tenant for line in initial(family, tenant)
    ]


def of_no_tenant() -> list[Series]:
    """Return those that belong to no tenant."""
    return [series(STORE_COMMITS, ""), series(WEBHOOK_REQUESTS, "", (UNKNOWN_TENANT,))]


def initial(family: Family, tenant: str) -> list[Series]:
    """Return the series that a family exports from the start, at 0."""
    if family.type == "histogram":
        return histogram(family, tenant)
    if not family.from_start:
        return []
    combinations: list[tuple[str, ...]] = [()]
    for label in family.labels:
        combinations = [(*left, right) for left in combinations for right in label.initial]
    return [series(family, tenant, values) for values in combinations]
