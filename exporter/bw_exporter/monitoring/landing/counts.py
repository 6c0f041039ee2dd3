"""What the store has counted, read for many tenants at once and found again by label value."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

from bw_exporter.metrics.catalog import Family

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bw_exporter.store import Store

_LINE = re.compile(r'(\w+)\{tenant="[^"]*"(?:,\w+="([^"]*)")?\} ')

Counts = dict[tuple[str, str], int]
"""One tenant's values above 0, by sample name and by the value of the one label beside `tenant` (else empty)."""


def read(
    store: Store, families: Iterable[Family], tenants: Sequence[str] | None = None
) -> Mapping[str, Counts]:
    """Return the counts of families with at most one label of their own; a tenant without any has none."""
    found: defaultdict[str, Counts] = defaultdict(dict)
    for tenant, line, value in store.above_zero([family.number for family in families], tenants):
        match = _LINE.fullmatch(line)
        if match:
            found[tenant][match[1], match[2] or ""] = value
    return found


def of(counts: Counts, family: Family, value: str = "") -> int:
    """Return one series' value, 0 where it counts nothing."""
    return counts.get((family.name, value), 0)


def by_value(counts: Counts, family: Family) -> dict[str, int]:
    """Return what a family counts, by its label's values, the most first."""
    found = {value: count for (name, value), count in counts.items() if name == family.name}
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))
