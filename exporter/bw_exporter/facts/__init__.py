"""Stripe events as facts: frozen values in which the differences between API versions have ended.

Facts are read by shape, never by `api_version`: one account sends old and new shapes mixed. What belongs here: the
envelope (event), typed reads of fields (reading), one module of facts and readers for each kind of object. What a
fact counts is the effects' business, what it proves the checks'.
"""

from __future__ import annotations

from bw_exporter.facts import amounts, charges, disputes, invoices, once, refunds, subscriptions
from bw_exporter.facts.event import Event
from bw_exporter.facts.reader import Amounts, Fact, Listed, Reader
from bw_exporter.facts.reading import UnidentifiedError

__all__ = ["AMOUNTS", "LISTED", "READERS", "Fact", "facts_of", "is_destination_copy", "listed"]

_ROOMS = (charges, disputes, invoices, once, refunds, subscriptions)

READERS: dict[str, Reader] = {name: reader for room in _ROOMS for name, reader in room.READERS.items()}
"""How each type of event is read; a type without a reader counts only as an event."""

AMOUNTS: dict[str, Amounts] = {name: fields for room in _ROOMS for name, fields in room.AMOUNTS.items()}
"""The amount fields of each object, by the event's type without its last part."""


LISTED: dict[str, Listed] = {**subscriptions.LISTED, **disputes.LISTED}
"""How objects are read that no event brought, by the name of their list."""


def listed(name: str, event: Event) -> tuple[Fact, ...]:
    """Read an object of the list `name` as an event would have brought it. Raises MalformedError."""
    amounts.check(event, AMOUNTS)
    try:
        return LISTED[name].read(event)
    except UnidentifiedError:
        return ()


def facts_of(event: Event) -> tuple[Fact, ...]:
    """Read an event's facts; none for a type that counts only as an event.

    An invoice's event of a type without a reader is a snapshot all the same, and may be the first of a final one.
    An object without an id gives none either: it cannot be counted once. Raises MalformedError where a field
    that is needed, or an amount, is present with the wrong type.
    """
    amounts.check(event, AMOUNTS)
    reader = READERS.get(event.type)
    try:
        if reader is not None:
            return reader.read(event)
        return invoices.invoice_seen(event) if event.type.startswith("invoice.") else ()
    except UnidentifiedError:
        return ()


def is_destination_copy(event: Event) -> bool:
    """Tell whether an event is of the copy that a destination charge leaves on the connected account.

    The copy of a charge has `source_transfer`, the copy of its refund `source_transfer_reversal`; the platform's
    own objects have neither.
    """
    if event.type.startswith("charge."):
        about = event.object
        return about.get("source_transfer") is not None or about.get("source_transfer_reversal") is not None
    return event.type.startswith("refund.") and event.object.get("source_transfer_reversal") is not None
