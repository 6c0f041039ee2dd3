"""Stripe's events, and what would be left of them if anything in them could be anything."""

from __future__ import annotations

import copy
import json
from functools import cache
from itertools import takewhile
from typing import Any

from hypothesis import strategies as st

from bw_exporter.metrics.labels import HANDLED_EVENT_TYPES
from bw_simulator.shop import anomalies
from bw_simulator.shop.traffic import Shop
from support.listener import NOW

_TRAFFIC = 400


@cache
def samples() -> tuple[tuple[str, str], ...]:
    """One event of every handled type and shape, as (type, JSON): made up, or another of the same object retyped."""
    shop = Shop("shop", seed=3, started_at=NOW)
    told = [event for number in range(_TRAFFIC) for event in shop.next(NOW - _TRAFFIC + number)]
    for name in anomalies.names():
        told += anomalies.play(name, "shop", NOW)
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for event in told:
        found.setdefault((event["type"], event["api_version"]), event)
    for wanted in HANDLED_EVENT_TYPES:
        if not any(kind == wanted for kind, _ in found):
            near = max(told, key=lambda event: _alike(event["type"], wanted))
            found[wanted, near["api_version"]] = {**near, "type": wanted}
    return tuple(sorted((kind, json.dumps(event)) for (kind, _), event in found.items()))


def _alike(one: str, other: str) -> int:
    """How many letters two types have in common at the front."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


_INTEGERS = st.integers() | st.sampled_from(
    (0, -1, 1, 2**31, 2**53 - 1, 1 - 2**53, 2**53, 2**63, -(2**63) - 1, 10**30, 10**400)
)
_TEXTS = st.text(st.characters(), max_size=20) | st.sampled_from(
    ("", "\ud800", "\udfff\ud800", "\x00", "usd", "USD", "other", "x" * 300, "ch_1", "1e-999999999", "1E+400", "NaN",
     "-Infinity", "0.5", "month", "canceled", "active", "warning_closed", "12.000000000001", 'a\nb" 1', "٣")
)  # fmt: skip
_SCALARS = st.none() | st.booleans() | _INTEGERS | st.floats() | _TEXTS
JSON = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXTS, inner, max_size=4),
    max_leaves=12,
)


def _places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = [path] if path else []
    items: Any = ()
    if isinstance(document, dict):
        items = document.items()
    elif isinstance(document, list):
        items = enumerate(document)
    for key, value in items:
        found += _places(value, (*path, key))
    return found


def _changed(document: Any, path: tuple[Any, ...], act: str, value: Any) -> None:
    """Change what is at a path: replace it, leave it out, or wrap it; a path that has gone is left."""
    for key in path[:-1]:
        try:
            document = document[key]
        except (KeyError, IndexError, TypeError):
            return
    key = path[-1]
    if not (isinstance(document, dict) and key in document) and not (
        isinstance(document, list) and isinstance(key, int) and key < len(document)
    ):
        return
    if act == "leave out":
        del document[key]
    elif act == "wrap":
        document[key] = {"id": document[key], "data": [document[key]]}
    elif act == "nest":
        document[key] = _deep()
    else:
        document[key] = value


def _deep() -> list[Any]:
    deep: list[Any] = []
    for _ in range(200):
        deep = [deep]
    return deep


@st.composite
def events(draw: st.DrawFn, most_changes: int = 4) -> bytes:
    """The body of an event in which up to `most_changes` places were changed."""
    _, text = draw(st.sampled_from(samples()))
    event = copy.deepcopy(json.loads(text))
    places = _places(event)
    for _ in range(draw(st.integers(0, most_changes))):
        path = draw(st.sampled_from(places))
        act = draw(st.sampled_from(("replace", "replace", "replace", "null", "leave out", "wrap", "nest")))
        _changed(event, path, act, None if act == "null" else draw(JSON))
    body = json.dumps(event)
    if draw(st.integers(0, 9)) == 0:
        name = draw(st.sampled_from(("id", "type", "data", "created", "livemode")))
        body = f'{{"{name}": {json.dumps(draw(JSON))}, {body[1:]}'
    return body.encode()
