"""Which fields of which object are amounts: one that is no integer makes the event malformed, used or not.

What is malformed must not depend on what happens to be counted of an object today. Amounts are in minor units
of the object's currency; any may be missing or null.
"""

from __future__ import annotations

from collections.abc import Mapping

from bw_exporter.facts import reading
from bw_exporter.facts.event import Event
from bw_exporter.facts.reader import Amounts


def check(event: Event, amounts: Mapping[str, Amounts]) -> None:
    """Raise MalformedError where an amount of the event's object is present and none.

    `amounts` are the fields by object: by an event's type without its last part.
    """
    fields = amounts.get(event.type.rpartition(".")[0])
    if fields is None:
        return
    for name in fields.natural:
        reading.natural(event.object, name)
    for name in fields.signed:
        reading.integer(event.object, name)
