"""What is neither a payment nor a bill: payouts and checkout sessions."""

from __future__ import annotations

from typing import Literal

from bw_simulator.shop.ids import Ids
from bw_simulator.shop.shapes import Json


def payout(
    ids: Ids,
    *,
    created_at: int,
    amount: int = 10000,
    currency: str = "usd",
    status: Literal["paid", "pending", "in_transit", "canceled", "failed"] = "paid",
    **fields: object,
) -> Json:
    """Return an automatic payout to the bank account."""
    built: Json = {
        "id": ids.new("po"),
        "object": "payout",
        "amount": amount,
        "arrival_date": created_at + 2 * 86400,
        "automatic": True,
        "created": created_at,
        "currency": currency,
        "failure_code": "account_closed" if status == "failed" else None,
        "livemode": True,
        "metadata": {},
        "method": "standard",
        "status": status,
        "type": "bank_account",
    }
    return {**built, **fields}


def checkout_session(
    ids: Ids,
    *,
    created_at: int,
    amount: int = 2000,
    currency: str = "usd",
    customer: str | None = None,
    mode: Literal["payment", "subscription", "setup"] = "payment",
    status: Literal["open", "complete", "expired"] = "complete",
    payment_status: Literal["paid", "unpaid", "no_payment_required"] = "paid",
    payment_intent: str | None = None,
    invoice: str | None = None,
    subscription: str | None = None,
    **fields: object,
) -> Json:
    """Return a checkout session; one that expired or completed `unpaid` brought no money (yet)."""
    built: Json = {
        "id": ids.new("cs_live"),
        "object": "checkout.session",
        "amount_subtotal": amount,
        "amount_total": amount,
        "created": created_at,
        "currency": currency,
        "customer": customer,
        "invoice": invoice,
        "livemode": True,
        "metadata": {},
        "mode": mode,
        "payment_intent": payment_intent,
        "payment_status": payment_status,
        "status": status,
        "subscription": subscription,
    }
    return {**built, **fields}
