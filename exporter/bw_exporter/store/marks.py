"""Marks of whom a tenant has charged, whichever database keeps them: their topics, neighbours and end."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence

from bw_exporter.store.protocol import Mark

MarkRow = tuple[str, int, int, str]
"""Tenant, topic, moment and key of a mark."""

BEFORE_ALL: MarkRow = ("", 0, 0, "")

_AT_ONCE = 500
_READ_AT_ONCE = 20_000


def secret_topic(key: bytes, parts: Sequence[str]) -> int:
    """Return 64 bits that only the holder of the store's key can make of these parts again."""
    keyed = hashlib.blake2b("\0".join(parts).encode(), key=key, digest_size=8)
    return int.from_bytes(keyed.digest(), "big", signed=True)


def nearest(marks: Collection[Mark], mark: Mark, limit: int) -> tuple[list[Mark], list[Mark]]:
    """Return at most `limit` marks before one and as many after it, each from the nearest on."""
    ordered = sorted(marks)
    before = [other for other in ordered if other < mark]
    after = [other for other in ordered if other > mark]
    return before[: -limit - 1 : -1], after[:limit]


def in_steps(marks: Sequence[MarkRow]) -> Iterator[list[MarkRow]]:
    """Cut marks into steps short enough for ingest to pass between, never between two of one charge."""
    step: list[MarkRow] = []
    for mark in marks:
        if len(step) >= _AT_ONCE and mark[3] != step[-1][3]:
            yield step
            step = []
        step.append(mark)
    if step:
        yield step


def oldest_in_steps(read: Callable[[int], Sequence[MarkRow]], excess: int) -> Iterator[list[MarkRow]]:
    """Give the oldest `excess` marks of a tenant in steps; each has to be gone before the next is asked for.

    `read(most)` returns the oldest there are, both of a charge side by side. All at once would be one long look at the
    store: three seconds for 300,000 by measurement, in which SQLite's write-ahead log cannot begin anew.
    """
    while excess > 0 and (marks := read(min(excess, _READ_AT_ONCE))):
        if len(marks) < excess:
            marks = [mark for mark in marks if mark[3] != marks[-1][3]] or marks
        yield from in_steps(marks)
        excess -= len(marks)
