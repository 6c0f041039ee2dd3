"""Stripe events as facts: frozen values in which the differences between API versions have ended.

Facts are read by shape, never by `api_version`: one account sends old and new shapes mixed.
"""

from __future__ import annotations

from collections.abc import Callable

from bw_exporter.facts import amounts, charges, disputes, invoices, once, refunds, subscriptions
from bw_exporter.facts.event import Event
from bw_exporter.facts.reading import UnidentifiedError

Fact = object
"""One of the frozen dataclasses in this package; effects and checks pick theirs by type."""

READERS: dict[str, Callable[[Event], tuple[Fact, ...]]] = {
    **charges.READERS,
    **disputes.READERS,
    **invoices.READERS,
    **once.READERS,
    **refunds.READERS,
    **subscriptions.READERS,
}


def facts_of(event: Event) -> tuple[Fact, ...]:
    """Read an event's facts; none for a type that counts only as an event.

    An invoice's event of a type without a reader is a snapshot all the same, and may be the first of a final one.
    An object without an id gives none either: it cannot be counted once. Raises MalformedError where a field
    that is needed, or an amount, is present with the wrong type.
    """
    amounts.check(event)
    reader = READERS.get(event.type)
    if reader is None and event.type.startswith("invoice."):
        reader = invoices.invoice_seen
    try:
        return reader(event) if reader else ()
    except UnidentifiedError:
        return ()
