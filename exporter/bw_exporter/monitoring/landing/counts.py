"""What the store has counted, read for many tenants at once and found again by label values."""

from __future__ import annotations

import re
from collections import defaultdict
from functools import lru_cache
from typing import TYPE_CHECKING

from bw_exporter.metrics.family import Family

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bw_exporter.store import StoreReader

_LABEL = re.compile(r',?\w+="((?:[^"\\]|\\.)*)"')
_LABELS = re.compile(rf"(?:{_LABEL.pattern})*\}} ")
_ESCAPED = re.compile(r"\\(.)")

Counts = dict[tuple[str, tuple[str, ...]], int]
"""One tenant's values above 0, by sample name and by the values of the labels beside `tenant`, in their order."""


def read(
    store: StoreReader, families: Iterable[Family], tenants: Sequence[str] | None = None
) -> Mapping[str, Counts]:
    """Return the counts of families, for all tenants or these; a tenant without any has none.

    Raises ValueError for a line that is no sample's, and StoreUnavailableError.
    """
    found: defaultdict[str, Counts] = defaultdict(dict)
    for tenant, line, value in store.above_zero([family.number for family in families], tenants):
        name, brace, labels = line.partition("{")
        if brace:
            found[tenant][name, _values(labels.removeprefix(f'tenant="{tenant}"'))] = value
        else:
            found[tenant][name.rstrip(), ()] = value
    return found


def of(counts: Counts, family: Family, *values: str) -> int:
    """Return one series' value, 0 where it counts nothing; `values` are those of all labels beside `tenant`."""
    return counts.get((family.name, values), 0)


def by_value(counts: Counts, family: Family, label: str = "") -> dict[str, int]:
    """Return what a family counts by the values of one label, the most first; other labels are added over.

    `label` may be left out where the family has one beside `tenant`.
    """
    own = [each.name for each in family.labels]
    place = own.index(label) if label else 0
    found: defaultdict[str, int] = defaultdict(int)
    for (name, values), count in counts.items():
        if name == family.name:
            found[values[place]] += count
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


@lru_cache(maxsize=4096)
def _values(labels: str) -> tuple[str, ...]:
    """Return the values of `,name="value",…} `; the lines of many tenants share few such texts."""
    if not _LABELS.fullmatch(labels):
        raise ValueError(f"no labels of a sample: {labels!r}")
    return tuple(_ESCAPED.sub(_unescaped, value) for value in _LABEL.findall(labels))


def _unescaped(match: re.Match[str]) -> str:
    return "\n" if match[1] == "n" else match[1]
