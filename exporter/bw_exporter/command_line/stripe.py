"""The flags of commands that ask Stripe: for which tenant, which endpoint is ours, where its API is, which keys."""

from __future__ import annotations

from bw_exporter.command_line import options
from bw_exporter.command_line.flags import flag, switch

one_tenant = flag("--tenant", "Of this tenant only.", metavar="T")
"""--tenant T."""

endpoint_url = flag(
    "--web.webhook-url",
    "The public listener as Stripe sees it, by which an endpoint is known to be ours; else by its path.",
    read=options.url,
    metavar="URL",
)
"""--web.webhook-url URL, as the commands need it that look for the endpoint at Stripe."""

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
