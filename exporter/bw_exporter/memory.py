"""Remembered states as bytes: frozen dataclasses of integers, strings, lists and mappings, kept as JSON."""

from __future__ import annotations

from typing import Any, TypeVar

import orjson

State = TypeVar("State")


def encoded(state: Any) -> bytes:  # noqa: ANN401 - any frozen dataclass
    """Return a state's bytes; decimals are kept as text."""
    return orjson.dumps(state, default=str)


def decoded(state: type[State], raw: bytes | None) -> State:
    """Return the state that was encoded, or the defaults (never seen) for None.

    Fields added since it was encoded take their defaults.
    """
    return state() if raw is None else state(**orjson.loads(raw))
