"""Stripe's deliveries are late, or were refused at first: the events are older than they should be."""

from __future__ import annotations

from bw_simulator.shop.anomalies.anomaly import Anomaly
from bw_simulator.shop.ids import Ids
from bw_simulator.shop.sales import new_buyer, one_off_sale
from bw_simulator.shop.shapes import Json

_LATE_SECONDS = 240


def _events(ids: Ids, now: int) -> list[Json]:
    told = []
    for _ in range(3):
        told += one_off_sale(ids, now - _LATE_SECONDS, buyer=new_buyer(ids), amount=7900)[1]
    return told


ANOMALY = Anomaly(
    happens=f"the events of 3 sales arrive {_LATE_SECONDS} seconds late",
    see='billing_webhook_lag_seconds_bucket rises at le="300.0" and not at le="120.0"; '
    "BillingWebhookLag fires at once",
    events=_events,
)
