"""A script cancels the subscriptions of nearly all members."""

from __future__ import annotations

from bw_simulator.shop.anomalies.anomaly import Anomaly, nothing
from bw_simulator.shop.shapes import Json
from bw_simulator.shop.traffic import Shop

_STAY = 10
"""One member in so many stays."""


def _canceled(shop: Shop, now: int) -> list[Json]:
    return shop.lose_members(now, keep_every=_STAY)


ANOMALY = Anomaly(
    happens="nine in ten of the members that the shop has won are canceled at once",
    see="billing_mrr_minor_units falls by what they paid a month, as churn in "
    "billing_mrr_movement_minor_units_total; BillingMrrDrop fires after 15 minutes where MRR of a day ago is known, so "
    "play it in a past: --history 8d --past TENANT:mrr_drop@2h",
    events=nothing,
    to_shop=_canceled,
)
