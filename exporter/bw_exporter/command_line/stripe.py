"""The flags of commands that ask Stripe: where its API is, and whether a key that could move money may be used."""

from __future__ import annotations

from bw_exporter.command_line import options
from bw_exporter.command_line.flags import flag, switch

stripe_api_url = flag(
    "--stripe.api-url",
    "Another server that answers as Stripe's API does, for tests and proxies; the keys are sent to it.",
    read=options.url,
    shown_default="https://api.stripe.com",
    metavar="URL",
)
"""--stripe.api-url URL."""

allow_secret_key = switch(
    "--allow-secret-key", "Take a secret key, sk_..., as an API key, though it can move money."
)
"""--allow-secret-key."""
