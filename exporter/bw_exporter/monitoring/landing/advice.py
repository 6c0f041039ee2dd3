"""What became of requests and events that were not counted, and what a person can do about it."""

from __future__ import annotations

REFUSED = {
    "bad_signature": (
        "wrong signing secret",
        "The secret in tenants.yaml is not the one of this endpoint. Each Stripe endpoint, and each of its modes, has"
        " its own: open the endpoint in Stripe, reveal its signing secret (whsec_…), give it to this tenant and reload."
        " If Stripe shows no failed deliveries, a stranger posts here: give the tenant a path_token, or a new one.",
    ),
    "expired_signature": (
        "signed too long ago",
        "The signature's time is more than 5 minutes away from this host's clock. Check the clock (timedatectl), and"
        " that no proxy holds requests back.",
    ),
    "malformed": (
        "not a Stripe event",
        "The signature is right and the body is no event object: something else signs with this secret, or a proxy"
        " changes what passes.",
    ),
    "too_large": (
        "above 1 MiB",
        "No Stripe event is that large: something else posts to this address.",
    ),
    "rate_limited": (
        "above the rate limit",
        "Stripe sends these again, later. If the traffic is real, raise the tenant's rate_limit.",
    ),
    "store_error": (
        "not stored",
        "The store could not commit, so nothing was counted and Stripe sends these again. The exporter's log and"
        " /-/ready say why.",
    ),
}
"""By result: the reason in a few words, and what to do."""

IGNORED = {
    "wrong_mode": (
        "of the other mode",
        "Test-mode events at a live tenant, or live ones at a test tenant. Set the tenant's mode to what the endpoint"
        " sends, or give each mode a tenant of its own.",
    ),
    "connect": (
        "of connected accounts",
        "Let the endpoint listen to events on your account only.",
    ),
    "thin": (
        "thin payloads",
        "They hold no amounts. Let the endpoint send the payload style snapshot.",
    ),
    "destination_copy": (
        "copies of destination charges",
        "The platform's own tenant counts these sales. If the tenant is the connected account that they are left on,"
        " set its destination_charges to count.",
    ),
    "malformed": (
        "could not be read",
        "A field has a type that Stripe does not give it. The exporter's log names the event and the field.",
    ),
    "redelivered": (
        "delivered again",
        "Counted once, as they should be. Stripe repeats an event whose answer it did not get.",
    ),
}
"""By reason: why validly signed events were not applied, and what to do."""

UNKNOWN_TENANT = (
    "Requests came for addresses that no tenant has. If they are Stripe's, the URL at the endpoint is mistyped, or"
    " its tenant is missing in tenants.yaml; scanners of the internet make some too."
)
