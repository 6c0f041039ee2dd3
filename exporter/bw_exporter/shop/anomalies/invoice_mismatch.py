"""A billing script adds a surcharge of its own: two renewals bill more than their subscription says."""

from __future__ import annotations

from bw_exporter.shop import objects
from bw_exporter.shop.anomalies.anomaly import Anomaly
from bw_exporter.shop.ids import Ids
from bw_exporter.shop.memberships import membership, renewal
from bw_exporter.shop.sales import new_buyer
from bw_exporter.shop.shapes import Json, Shape

_STARTED_SECONDS_AGO = 60 * 86400
_SHAPES: tuple[Shape, ...] = ("old", "new")


def _events(ids: Ids, now: int) -> list[Json]:
    told = []
    for shape in _SHAPES:
        member = membership(
            ids,
            buyer=new_buyer(ids),
            price=objects.price(ids, unit_amount=2900),
            started_at=now - _STARTED_SECONDS_AGO,
            shape=shape,
        )
        told += renewal(ids, now, member, amount=3900)[2]
    return told


ANOMALY = Anomaly(
    happens="two subscriptions at 29.00 a month are billed 39.00",
    see='billing_invoice_checks_total{verdict="mismatch"} rises by 2 when the tenant\'s grace (15m by '
    "default) is over; BillingInvoiceMismatch fires and `bw-exporter findings` names the lines",
    events=_events,
)
