"""Marks on their way out of a store, whichever database keeps it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

MarkRow = tuple[str, int, int, str]
"""Tenant, topic, moment and key of a mark."""

BEFORE_ALL: MarkRow = ("", 0, 0, "")

_AT_ONCE = 500


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
