"""A yardstick: what most would write, prometheus_client's counters in the process, which a restart forgets.

With PROMETHEUS_MULTIPROC_DIR set, prometheus_client keeps them in files instead, one for each process.
"""

from __future__ import annotations

import json
import time

from flask import Flask, request
from prometheus_client import Counter, Histogram
from stripe import SignatureVerificationError, WebhookSignature

from benchmarks.bare import SECRET

EVENTS = Counter("receiver_events", "Events.", ["tenant", "type"])
ATTEMPTS = Counter("receiver_charge_attempts", "Charges.", ["tenant"])
REVENUE = Counter("receiver_revenue_minor_units", "Revenue.", ["tenant", "currency"])
LAG = Histogram(
    "receiver_lag_seconds", "Received - created.", ["tenant"], buckets=(1, 5, 10, 30, 60, 300, 3600)
)

app = Flask(__name__)


@app.post("/webhooks/<tenant>")
def webhook(tenant: str) -> tuple[str, int]:
    """Verify, read and count: no event is recognised when it comes again, none is kept."""
    body = request.get_data()
    try:
        WebhookSignature.verify_header(body, request.headers["Stripe-Signature"], SECRET, 300)
    except SignatureVerificationError:
        return "bad signature", 400
    event = json.loads(body)
    EVENTS.labels(tenant, event["type"]).inc()
    LAG.labels(tenant).observe(max(0.0, time.time() - event["created"]))
    if event["type"] == "charge.succeeded":
        charge = event["data"]["object"]
        ATTEMPTS.labels(tenant).inc()
        REVENUE.labels(tenant, charge["currency"]).inc(charge["amount_captured"])
    return "", 200
