"""What a store keeps of the catalogue: a fingerprint of the series there are at 0, and when each family began.

A version that has a further family, or a further first value of a label, finds another fingerprint in the store, and
gives what is missing to the tenants that exist already. So its first increment is one from 0 for them too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from functools import cache

from bw_exporter.metrics.catalog import FAMILIES, FAMILY_BEGAN
from bw_exporter.metrics.series import Series, of_no_tenant, of_tenant, series

_AT_ONCE = 200

COUNTED = tuple(family for family in FAMILIES if family.stored and family.per_tenant)
"""Families that a tenant has series of in the store."""


def in_parts(tenants: Sequence[str]) -> Iterator[Sequence[str]]:
    """Cut tenants into parts of one transaction each, so that ingest passes between."""
    return (tenants[start : start + _AT_ONCE] for start in range(0, len(tenants), _AT_ONCE))


@cache
def fingerprint() -> bytes:
    """Return what differs wherever the series that every store has at 0 do."""
    lines = "".join(repr(tuple(line)) for line in (*of_no_tenant(), *of_tenant("-")))
    return hashlib.blake2b(lines.encode(), digest_size=16).digest()


def begun(present: Collection[int], first_at: int | None, now: int) -> list[tuple[Series, int]]:
    """Return for each family the series that says when it began in a store, and the time.

    `present`: the numbers of the families that the store has series of already. They began with its first tenant, at
    `first_at`, None where there is none yet; the others begin `now`.
    """
    old = now if first_at is None else first_at
    return [
        (series(FAMILY_BEGAN, "", (family.name,)), old if family.number in present else now)
        for family in COUNTED
    ]
