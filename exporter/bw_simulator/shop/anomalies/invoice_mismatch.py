"""A billing script adds a surcharge of its own: two sign-ups are billed more than their subscription says."""

from __future__ import annotations

from bw_simulator.shop import objects
from bw_simulator.shop.anomalies.anomaly import Anomaly
from bw_simulator.shop.ids import Ids
from bw_simulator.shop.memberships import membership, sign_up
from bw_simulator.shop.sales import new_buyer
from bw_simulator.shop.shapes import Json, Shape

_SHAPES: tuple[Shape, ...] = ("old", "new")


def _events(ids: Ids, now: int) -> list[Json]:
    told = []
    for shape in _SHAPES:
        price = objects.price(ids, unit_amount=2900)
        member = membership(ids, buyer=new_buyer(ids), price=price, started_at=now, shape=shape)
        told += sign_up(ids, now, member, amount=3900)[1]
    return told


ANOMALY = Anomaly(
    happens="two new subscriptions at 29.00 a month are billed 39.00",
    see='billing_invoice_checks_total{verdict="mismatch"} rises by 2 when the tenant\'s grace (15m by '
    "default) is over; BillingInvoiceMismatch fires and `bw-exporter findings` names the lines",
    events=_events,
)
