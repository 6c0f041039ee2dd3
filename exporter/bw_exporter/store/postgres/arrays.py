"""Rows as PostgreSQL takes many at once: one array literal a column, for unnest.

Written here and sent as text, since the driver gives a list of integers the narrowest type that holds them, and so
would have the server plan the same statement again for each mixture of types.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any


def _text(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _bytes(value: bytes) -> str:
    return '"\\\\x' + value.hex() + '"'


_WRITTEN: dict[str, Callable[[Any], str]] = {"i": str, "t": _text, "b": _bytes}


def arrays(kinds: str, rows: Collection[tuple[Any, ...]]) -> tuple[str, ...]:
    """Return one array literal for each column of `rows`.

    `kinds` names the columns' types: i for bigint, t for text, b for bytea.
    """
    if not rows:
        return ("{}",) * len(kinds)
    columns = zip(*rows, strict=True)
    return tuple(
        "{" + ",".join(map(_WRITTEN[kind], column)) + "}" for kind, column in zip(kinds, columns, strict=True)
    )


def may_be_stored(text: str) -> bool:
    """Tell whether PostgreSQL has a text like this: it knows neither NUL nor lone surrogates."""
    return not any(char == "\0" or "\ud800" <= char <= "\udfff" for char in text)
