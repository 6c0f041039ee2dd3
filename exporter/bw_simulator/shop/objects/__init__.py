"""Builders of Stripe's objects, with only the fields that matter to billing.

Every builder takes an id source first and everything else by name; times are Unix seconds, amounts minor
units. Any field can be set by Stripe's own name on top (`charge(ids, created_at=0, id="ch_1")`), which is
also how a field is made null or wrong.
"""

from __future__ import annotations

from bw_simulator.shop.objects.account import checkout_session, payout
from bw_simulator.shop.objects.disputes import (
    dispute,
    early_fraud_warning,
    reinstated,
    withdrawn,
)
from bw_simulator.shop.objects.invoices import (
    invoice,
    invoice_payment,
    one_off_line,
    subscription_line,
)
from bw_simulator.shop.objects.payments import (
    card,
    charge,
    failed_charge,
    failed_payment_intent,
    payment_intent,
    refund,
    refunded,
)
from bw_simulator.shop.objects.subscriptions import price, subscription, subscription_item

__all__ = [
    "card",
    "charge",
    "checkout_session",
    "dispute",
    "early_fraud_warning",
    "failed_charge",
    "failed_payment_intent",
    "invoice",
    "invoice_payment",
    "one_off_line",
    "payment_intent",
    "payout",
    "price",
    "refund",
    "refunded",
    "reinstated",
    "subscription",
    "subscription_item",
    "subscription_line",
    "withdrawn",
]
