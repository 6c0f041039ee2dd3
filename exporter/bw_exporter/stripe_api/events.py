"""The events that an account made in a span of time, as webhooks would have brought them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import orjson

from bw_exporter.stripe_api.lists import Client, walk

KEPT_SECONDS = 30 * 86_400
"""How long Stripe lists events (docs.stripe.com/api/events)."""

VISIBLE_AFTER_SECONDS = 60
"""The list is eventually consistent; an event that is younger may not be in it yet."""


@dataclass(frozen=True, slots=True)
class ListedEvent:
    """An event as the list has it: its id and type, when it was made, and the body of its webhook."""

    id: str
    type: str
    created_at: int
    body: bytes


def events_between(client: Client, since_at: int, until_at: int, types: Collection[str]) -> list[ListedEvent]:
    """Return the events of these types from `since_at` to `until_at`, both included, oldest first.

    Stripe takes at most 20 types in a question, so all are read and chosen here. Raises StripeApiError.
    """
    found = [
        ListedEvent(str(each["id"]), str(each["type"]), int(str(each["created"])), orjson.dumps(each))
        for each in walk(client, "/v1/events", since_at, until_at)
        if each.get("type") in types
    ]
    return found[::-1]
