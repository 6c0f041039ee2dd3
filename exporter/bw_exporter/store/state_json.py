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

    Fields added since it was encoded take their defaults; those of a newer version, as another replica may write
    while an upgrade goes on or is taken back, are left out.
    """
    if raw is None:
        return state()
    remembered = orjson.loads(raw)
    try:
        return state(**remembered)
    except TypeError:
        known = getattr(state, "__dataclass_fields__", {})
        return state(**{name: value for name, value in remembered.items() if name in known})
