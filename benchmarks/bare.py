"""The yardstick of ingest: the least a Stripe webhook in Flask can do, which is to verify the signature."""

from __future__ import annotations

from flask import Flask, request
from stripe import SignatureVerificationError, WebhookSignature

SECRET = "whsec_benchmark"  # noqa: S105 - of made-up tenants

app = Flask(__name__)


@app.post("/webhooks/<tenant>")
def webhook(tenant: str) -> tuple[str, int]:  # noqa: ARG001 - the URL has it
    """Answer 200 to what is signed."""
    try:
        WebhookSignature.verify_header(request.get_data(), request.headers["Stripe-Signature"], SECRET, 300)
    except SignatureVerificationError:
        return "bad signature", 400
    return "", 200
