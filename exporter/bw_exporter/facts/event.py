"""A webhook body's envelope: which event it is, of which mode and account, before its object is read."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from bw_exporter.facts import reading
from bw_exporter.facts.reading import Json, MalformedError, UnidentifiedError

THIN = "v2.core.event"
"""The `object` of events without a snapshot, which v2 event destinations send."""


class NotAnEventError(Exception):
    """The body is no event object: not JSON, no object, or without id or type."""


@dataclass(frozen=True, slots=True)
class Event:
    """One Stripe event as delivered.

    `created_at` is None where the event does not say; `malformed` names the envelope field of the wrong
    type, if any; `object` and `previous` are `data.object` and `data.previous_attributes`.
    """

    id: str
    type: str
    created_at: int | None = None
    livemode: bool | None = None
    account: str | None = None
    thin: bool = False
    malformed: str | None = None
    object: Json = field(default_factory=dict)
    previous: Json = field(default_factory=dict)


def parse(body: bytes) -> Event:
    """Read an event's envelope; raises NotAnEventError where the body is no event object."""
    document = _decoded(body)
    if not isinstance(document, dict):
        raise NotAnEventError("the body is no JSON object")
    try:
        event_id, event_type = reading.own_id(document), reading.text(document, "type")
    except (MalformedError, UnidentifiedError):
        raise NotAnEventError("the body has no id or no type") from None
    if not event_type:
        raise NotAnEventError("type is missing")
    thin = document.get("object") == THIN
    created_at: int | None = None
    account: str | None = None
    livemode: bool | None = None
    try:
        created_at = _thin_created_at(document) if thin else reading.integer(document, "created")
        # `context` alone says nothing: an organization's destination fills it for events of the account itself.
        account = reading.identifier(document, "account")
        livemode = reading.boolean(document, "livemode")
        data = reading.mapping(document, "data")
        if not thin and not isinstance(data.get("object"), dict):
            raise MalformedError("data.object is no object")  # noqa: TRY301 - read like any other field
        subject, previous = reading.mapping(data, "object"), reading.mapping(data, "previous_attributes")
    except MalformedError as error:
        return Event(event_id, event_type, created_at, livemode, account, thin, malformed=str(error))
    return Event(event_id, event_type, created_at, livemode, account, thin, None, subject, previous)


def _decoded(body: bytes) -> Any:  # noqa: ANN401 - whatever JSON holds
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    # The standard library reads what orjson refuses and JSON allows: lone surrogates, integers of any size.
    # Decoded here: it would guess UTF-16, and let surrogates pass that are no UTF-8.
    try:
        return json.loads(body.decode("utf-8-sig"), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise NotAnEventError("the body is no JSON") from None


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _thin_created_at(document: Json) -> int | None:
    """Thin events say when they were created in ISO 8601."""
    created = reading.text(document, "created")
    if created is None:
        return None
    try:
        return int(datetime.fromisoformat(created).timestamp())
    except (ValueError, OverflowError, OSError):
        raise MalformedError("created is no time") from None
