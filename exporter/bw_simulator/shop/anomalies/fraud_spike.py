"""The stolen cards of last month come back as disputes, all on one day."""

from __future__ import annotations

from bw_simulator.shop import objects
from bw_simulator.shop.anomalies.anomaly import Anomaly
from bw_simulator.shop.ids import Ids
from bw_simulator.shop.reversals import dispute, early_fraud_warning
from bw_simulator.shop.shapes import Json

_DISPUTES = 12
"""Above five times the two disputes a day that ordinary traffic may have."""

_SOLD_SECONDS_AGO = 20 * 86400


def _events(ids: Ids, now: int) -> list[Json]:
    told = []
    for number in range(_DISPUTES):
        charge = objects.charge(ids, created_at=now - _SOLD_SECONDS_AGO, amount=12900)
        if number % 3 == 0:
            told += early_fraud_warning(ids, now, charge)
        told += dispute(ids, now, charge)[1]
    return told


ANOMALY = Anomaly(
    happens=f"{_DISPUTES} charges of 129.00 are disputed as fraudulent, 4 of them after a warning",
    see='billing_disputes_total{reason="fraudulent"} rises by 12 within a scrape; '
    "BillingFraudSpike fires at once",
    events=_events,
)
