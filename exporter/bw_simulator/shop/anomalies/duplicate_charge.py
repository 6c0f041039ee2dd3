"""A double click on `Pay` without an idempotency key: one customer, one card, one amount, twice."""

from __future__ import annotations

from bw_simulator.shop.anomalies.anomaly import Anomaly
from bw_simulator.shop.ids import Ids
from bw_simulator.shop.sales import new_buyer, payment
from bw_simulator.shop.shapes import Json


def _events(ids: Ids, now: int) -> list[Json]:
    buyer = new_buyer(ids)
    first = payment(ids, now - 4, buyer=buyer, amount=4900)
    second = payment(ids, now, buyer=buyer, amount=4900)
    return [*first.events, *second.events]


ANOMALY = Anomaly(
    happens="one customer is charged 49.00 twice within 4 seconds",
    see="billing_duplicate_charges_total rises by 1 when the tenant's grace (2m by default) is over; "
    "BillingDuplicateCharge fires and `bw-exporter findings` names both charges",
    events=_events,
)
