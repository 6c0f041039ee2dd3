"""The checkout is broken: people still come, and nobody pays."""

from __future__ import annotations

from bw_simulator.shop.anomalies.anomaly import Anomaly, nothing

ANOMALY = Anomaly(
    happens="from now on nothing is sold and nobody renews; all other events go on",
    see="billing_revenue_minor_units_total stands still; BillingRevenueDrop fires once the last window "
    "(24h by default) has brought half of the days before or less: it needs a past of eight days, of "
    "min_daily_revenue a day or more",
    events=nothing,
    leaves="no sales",
)
