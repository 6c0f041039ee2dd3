"""Receive Stripe webhooks, count each exactly once, and expose the counts to Prometheus."""

__version__ = "0.1.0"
