"""Somebody deleted the webhook endpoint: not a single event arrives any more."""

from __future__ import annotations

from bw_simulator.shop.anomalies.anomaly import Anomaly, nothing

ANOMALY = Anomaly(
    happens="from now on nothing is posted for this tenant",
    see="billing_last_event_timestamp_seconds stands still; BillingSilentLapse fires 5m after max_silence "
    "(4h by default)",
    events=nothing,
    leaves="silent",
)
