"""Events: a Stripe object, what happened to it and when, as the body of a webhook."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from bw_simulator.shop.ids import Ids
from bw_simulator.shop.shapes import API_VERSIONS, Json, Shape


def event(
    ids: Ids,
    event_type: str,
    about: Json,
    *,
    created_at: int,
    previous_attributes: Json | None = None,
    livemode: bool = True,
    account: str | None = None,
    shape: Shape = "new",
    **fields: object,
) -> Json:
    """Return a snapshot event of `event_type` about an object; `account` makes it a connected account's.

    `livemode` is set in the object too. Any further field is set by Stripe's own name (`id="evt_1"`).
    """
    data: Json = {"object": {**about, "livemode": livemode} if "livemode" in about else about}
    if previous_attributes is not None:
        data["previous_attributes"] = previous_attributes
    built: Json = {
        "id": ids.new("evt"),
        "object": "event",
        "api_version": API_VERSIONS[shape],
        "created": created_at,
        "data": data,
        "livemode": livemode,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": event_type,
    }
    if account is not None:
        built["account"] = account
    return {**built, **fields}


def changed(before: Json, after: Json) -> Json:
    """Return the `previous_attributes` of an update: the old values of the fields that differ."""
    return {name: before.get(name) for name in after if before.get(name) != after[name]}


def in_test_mode(event: Json) -> Json:
    """Return a snapshot event as a sandbox would send it."""
    about = event["data"]["object"]
    data = {**event["data"], "object": {**about, "livemode": False} if "livemode" in about else about}
    return {**event, "data": data, "livemode": False}


def thin_event(
    ids: Ids,
    event_type: str,
    about: Json,
    *,
    created_at: int,
    livemode: bool = True,
    **fields: object,
) -> Json:
    """Return a thin event (`v1.…` or `v2.…`), which names its object and does not hold it."""
    built: Json = {
        "id": ids.new("evt"),
        "object": "v2.core.event",
        "context": None,
        "created": datetime.fromtimestamp(created_at, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "livemode": livemode,
        "reason": None,
        "related_object": {
            "id": about["id"],
            "type": about["object"],
            "url": f"/v1/{about['object']}s/{about['id']}",
        },
        "type": event_type,
    }
    return {**built, **fields}


def body(event: Json) -> bytes:
    """Return the bytes that a webhook posts; the same event always gives the same bytes."""
    return json.dumps(event, indent=2, ensure_ascii=False).encode()
