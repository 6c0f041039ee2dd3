"""Which fields of which object are amounts: one that is no integer makes the event malformed, used or not.

What is malformed must not depend on what happens to be counted of an object today. Amounts are in minor units
of the object's currency; any may be missing or null.
"""

from __future__ import annotations

from bw_exporter.facts import reading
from bw_exporter.facts.event import Event

_NATURAL: dict[str, tuple[str, ...]] = {
    "charge": ("amount", "amount_captured", "amount_refunded"),
    "charge.dispute": ("amount",),
    "charge.refund": ("amount",),
    "refund": ("amount",),
    "payment_intent": ("amount", "amount_received"),
    "invoice": ("amount_paid",),
    "invoice_payment": ("amount_paid",),
}
"""Amounts that are never negative, by the event's type without its last part."""

_SIGNED: dict[str, tuple[str, ...]] = {
    "invoice": ("amount_due", "amount_overpaid", "amount_remaining", "subtotal", "total"),
    "payout": ("amount",),
    "checkout.session": ("amount_total",),
}
"""Amounts that may be: a payout takes back what is owed to Stripe, a credit makes a total negative."""


def check(event: Event) -> None:
    """Raise MalformedError where an amount of the event's object is present and none."""
    kind = event.type.rpartition(".")[0]
    for name in _NATURAL.get(kind, ()):
        reading.natural(event.object, name)
    for name in _SIGNED.get(kind, ()):
        reading.integer(event.object, name)
