"""The two shapes that Stripe's objects have had, and the JSON they are made of."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

Json: TypeAlias = dict[str, Any]
"""A Stripe object or event as it is parsed from a webhook's body."""

Shape: TypeAlias = Literal["old", "new"]
"""`old` is before API version 2025-03-31.basil, `new` since then (docs.stripe.com/changelog/basil)."""

API_VERSIONS: dict[Shape, str] = {"old": "2024-06-20", "new": "2026-07-29.dahlia"}
"""The API version that events of a shape say they are rendered in."""


def listing(objects: list[Json]) -> Json:
    """Wrap objects as Stripe's list object."""
    return {"object": "list", "data": objects, "has_more": False, "total_count": len(objects)}
