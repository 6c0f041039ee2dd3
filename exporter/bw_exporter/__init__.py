"""Receive Stripe webhooks, count each exactly once, and expose the counts to Prometheus."""

__version__ = "0.1.0"

DOCS_URL = "https://github.com/billingwatch/billingwatch-exporter/blob/main/docs"
"""Where the documentation is read, unless a deployment says otherwise."""
