"""Numbered steps from one schema of a store to the next, and what they are made of.

A released migration is never edited. Its number is the schema that it leads to; a store says which one it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bw_exporter.metrics.family import Family


@dataclass(frozen=True, slots=True)
class Migration:
    """A step to schema `number`; `name` says in a few words what it does, for the store's log of those applied."""

    number: int
    name: str
    statements: tuple[str, ...]


def pending(migrations: Sequence[Migration], version: int) -> list[Migration]:
    """Return the migrations that a store of schema `version` has not seen yet, in order; 0 is an empty store.

    >>> steps = [Migration(1, "tables", ()), Migration(2, "an index", ())]
    >>> [step.name for step in pending(steps, 1)]
    ['an index']
    """
    return [migration for migration in migrations if migration.number > version]


def add_label(family: Family, name: str, value: str, table: str = "series") -> str:
    """Return the statement that gives every stored line of a family a further label with this value.

    The finished line of the exposition is the key of a count, so a label that the catalogue adds to an old family
    needs this in a migration of both stores (`table` is bw_series in PostgreSQL); else its counts would begin
    again at 0 beside lines that nobody writes any more. The catalogue has to list the label last.
    """
    label = f'{name}="{value}"'
    if not family.label_names and family.type != "histogram":
        line = f"'{family.name}{{{label}}} '"
    else:
        # Of a histogram's labels, `le` stays the last.
        last = f"substr(line, 1, length(line) - 2) || ',{label}}} '"
        line = (
            f"CASE WHEN line LIKE '%,le=\"%' THEN replace(line, ',le=\"', ',{label},le=\"') ELSE {last} END"
        )
    return f"UPDATE {table} SET line = {line} WHERE family = {family.number}"  # noqa: S608 - the catalogue's own words
