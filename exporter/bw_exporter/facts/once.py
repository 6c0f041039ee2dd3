"""Facts that count an object once for each value of one label: payouts, checkout sessions, fraud warnings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bw_exporter.facts import reading
from bw_exporter.facts.event import Event
from bw_exporter.facts.reader import Amounts, Reader
from bw_exporter.metrics import catalog
from bw_exporter.metrics.labels import PAYOUT_STATUSES, listed


@dataclass(frozen=True, slots=True)
class Once:
    """An object that reached `state` (a label value, or empty where the family has no label), by an event made `at`."""

    what: Literal["early_fraud_warning", "payout", "checkout_session"]
    id: str
    state: str = ""
    at: int = 0


def payout(event: Event) -> tuple[Once, ...]:
    """Read payout.created, paid, failed and canceled; a paid payout may fail later, then both count."""
    ending = event.type.removeprefix("payout.")
    status = reading.text(event.object, "status") if ending == "created" else ending
    at = event.created_at or 0
    return (Once("payout", reading.own_id(event.object), listed(status, PAYOUT_STATUSES), at),)


def checkout_session(event: Event) -> tuple[Once, ...]:
    """Read checkout.session.*; `completed` says nothing of money, which the charge counts."""
    outcome = event.type.removeprefix("checkout.session.")
    return (Once("checkout_session", reading.own_id(event.object), outcome),)


_PAYOUT = Reader(payout, (catalog.PAYOUTS,))
_PAID = Reader(payout, (catalog.PAYOUTS, catalog.LAST_PAYOUT))
_SESSION = Reader(checkout_session, (catalog.CHECKOUT_SESSIONS,))

READERS = {
    "payout.created": _PAID,
    "payout.paid": _PAID,
    "payout.failed": _PAYOUT,
    "payout.canceled": _PAYOUT,
    "checkout.session.completed": _SESSION,
    "checkout.session.async_payment_succeeded": _SESSION,
    "checkout.session.async_payment_failed": _SESSION,
    "checkout.session.expired": _SESSION,
}
"""How each type of event of these kinds of objects is read."""

AMOUNTS = {"payout": Amounts(signed=("amount",)), "checkout.session": Amounts(signed=("amount_total",))}
"""The amount fields of these objects: a payout takes back what is owed to Stripe."""
