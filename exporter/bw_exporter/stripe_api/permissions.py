"""What a restricted key has to be allowed to read, and the form at Stripe that makes one."""

from __future__ import annotations

import urllib.parse

LISTS: dict[str, str] = {
    "events": "rak_event_read",
    "webhook_endpoints": "rak_webhook_read",
    "charges": "rak_charge_read",
    "disputes": "rak_dispute_read",
    "invoices": "rak_invoice_read",
    "subscriptions": "rak_subscription_read",
    "payouts": "rak_payout_read",
    "payment_intents": "rak_payment_intent_read",
    "checkout/sessions": "rak_checkout_session_read",
}
"""Each list that is asked for, and the permission for it; others' forms name them so, Stripe's documentation does not.

Events come first. A key that may read events and not their objects may be shown fewer of them, so all are asked for.
"""


def form(mode: str) -> str:
    """Return the address of the form that makes such a key, with all of it filled in.

    >>> form("test")[:47]
    'https://dashboard.stripe.com/test/apikeys/creat'
    """
    folder = "" if mode == "live" else "test/"
    filled = [("name", "BillingWatch Exporter"), *(("permissions[]", name) for name in LISTS.values())]
    return f"https://dashboard.stripe.com/{folder}apikeys/create?{urllib.parse.urlencode(filled)}"
