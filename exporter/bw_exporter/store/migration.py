"""A numbered step from one schema of a store to the next."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Migration:
    """A step to schema version `number`; a released one is never edited."""

    number: int
    statements: tuple[str, ...]
