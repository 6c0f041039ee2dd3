"""Names as a sentence has room for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_NAMED = 10


def some(names: Sequence[str]) -> str:
    """Return the first ten names, and how many more there are: a file may have thousands of tenants."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")
