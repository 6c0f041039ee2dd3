"""The tables that hold all a store knows, whichever database keeps it, and how one is read and filled whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table's columns, of which the first `keys` are its key, and so its order."""

    name: str
    columns: tuple[str, ...]
    keys: int

    def select(self, prefix: str = "") -> str:
        """Return the query of all its rows, in order; a database may name it with a prefix."""
        columns = ", ".join(self.columns)
        return f"SELECT {columns} FROM {prefix}{self.name} ORDER BY {', '.join(self.columns[: self.keys])}"  # noqa: S608 - constants


TABLES = (
    Table("tenants", ("tenant", "created_at"), 1),
    Table("events", ("created_at", "tenant", "event"), 3),
    Table("series", ("family", "tenant", "rank", "line", "value"), 4),
    Table("ledger", ("tenant", "key", "kind", "state", "keep_until"), 3),
    Table("marks", ("tenant", "topic", "at", "key", "keep_until"), 4),
    Table("pending", ("tenant", '"check"', "key", "subject", "due_at", "state"), 3),
    Table("findings", ("id", "found_at", "tenant", "kind", "details"), 1),
)
"""All but `meta`, whose key of payers goes by its own way, and the leases."""


class WholeStore(Protocol):
    """All of a store in one transaction that keeps every writer out until it is closed.

    Any of its methods raises one of `errors`.
    """

    errors: ClassVar[tuple[type[Exception], ...]]

    def used_at(self) -> int:
        """Return when an exporter last probed the store, in Unix seconds; 0 if none ever did."""

    def payer_key(self) -> bytes:
        """Return the key under which payers are remembered."""

    def rows(self, table: Table) -> Iterator[Row]:
        """Return all rows of a table in the order of its key, without holding them all."""

    def fill(self, table: Table, rows: Iterable[Row]) -> None:
        """Write rows into a table that is empty."""

    def take_key(self, key: bytes) -> None:
        """Remember payers under this key from now on."""

    def commit(self) -> None:
        """Keep what was written; without this, closing undoes it."""

    def close(self) -> None:
        """End the transaction and let writers in."""
