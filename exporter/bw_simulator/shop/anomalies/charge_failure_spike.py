"""Card testing: a burst of small charges on stolen cards, nearly all declined."""

from __future__ import annotations

from itertools import cycle

from bw_simulator.shop.anomalies.anomaly import Anomaly
from bw_simulator.shop.ids import Ids
from bw_simulator.shop.sales import decline, new_buyer
from bw_simulator.shop.shapes import Json

_CHARGES = 25
"""Above three times the four failures an hour that ordinary traffic may have."""

_REASONS = ("generic_decline", "stolen_card", "incorrect_cvc", "card_velocity_exceeded", "fraudulent")


def _events(ids: Ids, now: int) -> list[Json]:
    told = []
    for _, reason in zip(range(_CHARGES), cycle(_REASONS), strict=False):
        buyer = new_buyer(ids, guest=True)
        told += decline(ids, now, buyer=buyer, amount=100, reason=reason)
    return told


ANOMALY = Anomaly(
    happens=f"{_CHARGES} charges of 1.00 on different cards are declined at once",
    see="billing_charge_failures_total rises by 25 within a scrape; BillingChargeFailureSpike fires at once",
    events=_events,
)
