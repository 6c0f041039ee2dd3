"""What stands at Stripe: subscriptions and disputes, as they are or as they were at a time.

An object of which no event was made for long is in no list of events, and counts all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

from bw_exporter.metrics.labels import HANDLED_EVENT_TYPES
from bw_exporter.stripe_api.lists import Client, Json, walk

LISTS = {"subscriptions": "customer.subscription", "disputes": "charge.dispute"}
"""Each list that is read, and what the types of its objects' events begin with."""

_DISPUTES_SECONDS = 120 * 86_400
"""Disputes are decided within months; older ones are not looked for."""


def standing(client: Client, name: str, until_at: int) -> Iterator[Json]:
    """Give each object of a list that was created until then, as it is now. Raises StripeApiError."""
    if name == "disputes":
        return walk(client, "/v1/disputes", until_at - _DISPUTES_SECONDS, until_at)
    return walk(client, f"/v1/{name}", 0, until_at, status="all")  # without it canceled ones are left out


def stood(client: Client, name: str, at: int, now: int) -> Iterator[Json]:
    """Give each object of a list as it was at `at`: as it is now, with what events since have replaced put back.

    Where the first event of an object since then does not say how it was, nothing is known of it at `at`, and it is
    left out. Raises StripeApiError.
    """
    changed = _changed(client, name, at, now)
    for each in standing(client, name, at):
        before = changed.get(str(each["id"]), each)
        if before is not None:
            yield before


def _changed(client: Client, name: str, at: int, now: int) -> dict[str, Json | None]:
    """Return the objects of before `at` that had events since, as they were; None where no event says how."""
    begin = f"{LISTS[name]}."
    types = [each for each in HANDLED_EVENT_TYPES if each.startswith(begin)]
    found: dict[str, Json | None] = {}
    for event in walk(client, "/v1/events", at + 1, now, types=types):  # the newest first: the oldest stays
        match event:
            case {"type": str(kind), "data": {"object": {"id": str(own), "created": int(created)}} as data}:
                if created <= at:
                    found[own] = _before(kind, cast("Mapping[str, Json]", data))
    return found


def _before(event_type: str, data: Mapping[str, Json]) -> Json | None:
    replaced = data.get("previous_attributes") or {}
    ended = event_type.endswith((".deleted", ".closed"))
    if (
        event_type.endswith(".created")
        or not isinstance(replaced, dict)
        or (ended and "status" not in replaced)
    ):
        return None
    return {**data["object"], **replaced}
