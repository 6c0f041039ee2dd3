"""Charges, payment intents and refunds."""

from __future__ import annotations

from typing import Literal

from bw_simulator.shop.ids import Ids
from bw_simulator.shop.shapes import Json, Shape


def card(fingerprint: str, **fields: object) -> Json:
    """Return payment method details of a card."""
    details = {"brand": "visa", "funding": "credit", "country": "US", "last4": "4242"}
    return {"type": "card", "card": {**details, "fingerprint": fingerprint, **fields}}


def charge(
    ids: Ids,
    *,
    created_at: int,
    amount: int = 2000,
    currency: str = "usd",
    customer: str | None = None,
    fingerprint: str | None = None,
    payment_intent: str | None = None,
    invoice: str | None = None,
    status: Literal["succeeded", "pending", "failed"] = "succeeded",
    captured: bool = True,
    shape: Shape = "new",
    **fields: object,
) -> Json:
    """Return a charge that took `amount`, unless `status` or `captured` says that it has not (yet).

    Without a fingerprint it is of the customer's card, or of a guest's with a card of his own. `invoice` shows
    in the old shape alone: since basil a charge does not say what it paid for.
    """
    taken = status == "succeeded" and captured
    built: Json = {
        "id": ids.new("ch"),
        "object": "charge",
        "amount": amount,
        "amount_captured": amount if taken else 0,
        "amount_refunded": 0,
        "balance_transaction": ids.new("txn") if taken else None,
        "captured": captured,
        "created": created_at,
        "currency": currency,
        "customer": customer,
        "disputed": False,
        "failure_code": None,
        "failure_message": None,
        "livemode": True,
        "metadata": {},
        "outcome": {
            "network_status": "approved_by_network",
            "reason": None,
            "risk_level": "normal",
            "type": "authorized",
        },
        "paid": status == "succeeded",
        "payment_intent": payment_intent or ids.new("pi"),
        "payment_method_details": card(fingerprint or (Ids(customer) if customer else ids).fingerprint()),
        "refunded": False,
        "source_transfer": None,
        "status": status,
    }
    if shape == "old":
        built["invoice"] = invoice
    return {**built, **fields}


def failed_charge(
    ids: Ids,
    *,
    created_at: int,
    failure_code: str = "card_declined",
    decline_reason: str | None = "generic_decline",
    amount: int = 2000,
    currency: str = "usd",
    customer: str | None = None,
    fingerprint: str | None = None,
    payment_intent: str | None = None,
    shape: Shape = "new",
    **fields: object,
) -> Json:
    """Return a charge that the issuer declined; `decline_reason` is `outcome.reason`."""
    failure: Json = {
        "captured": False,
        "failure_code": failure_code,
        "failure_message": "Your card was declined.",
        "outcome": {
            "network_status": "declined_by_network",
            "reason": decline_reason,
            "risk_level": "normal",
            "type": "issuer_declined",
        },
    }
    return charge(
        ids,
        created_at=created_at,
        amount=amount,
        currency=currency,
        customer=customer,
        fingerprint=fingerprint,
        payment_intent=payment_intent,
        status="failed",
        shape=shape,
        **{**failure, **fields},
    )


def payment_intent(
    ids: Ids,
    *,
    created_at: int,
    amount: int = 2000,
    currency: str = "usd",
    customer: str | None = None,
    charge: str | None = None,
    invoice: str | None = None,
    shape: Shape = "new",
    **fields: object,
) -> Json:
    """Return a payment intent that succeeded with `charge`; `invoice` shows in the old shape alone."""
    built: Json = {
        "id": ids.new("pi"),
        "object": "payment_intent",
        "amount": amount,
        "amount_received": amount,
        "cancellation_reason": None,
        "created": created_at,
        "currency": currency,
        "customer": customer,
        "last_payment_error": None,
        "latest_charge": charge,
        "livemode": True,
        "metadata": {},
        "status": "succeeded",
    }
    if shape == "old":
        built["invoice"] = invoice
    return {**built, **fields}


def failed_payment_intent(
    ids: Ids,
    *,
    created_at: int,
    charge: str | None = None,
    code: str | None = None,
    decline_code: str | None = "generic_decline",
    amount: int = 2000,
    currency: str = "usd",
    customer: str | None = None,
    shape: Shape = "new",
    **fields: object,
) -> Json:
    """Return a payment intent whose `charge` was declined, or, without one, whose authentication failed."""
    error: Json = (
        {"type": "card_error", "code": code or "card_declined", "decline_code": decline_code}
        if charge
        else {"type": "invalid_request_error", "code": code or "payment_intent_authentication_failure"}
    )
    failure: Json = {
        "amount_received": 0,
        "last_payment_error": {**error, "charge": charge},
        "status": "requires_payment_method",
    }
    return payment_intent(
        ids,
        created_at=created_at,
        amount=amount,
        currency=currency,
        customer=customer,
        charge=charge,
        shape=shape,
        **{**failure, **fields},
    )


def refund(
    ids: Ids,
    *,
    charge: Json,
    created_at: int,
    amount: int | None = None,
    status: Literal["succeeded", "pending", "failed", "canceled", "requires_action"] = "succeeded",
    reason: str | None = "requested_by_customer",
    **fields: object,
) -> Json:
    """Return a refund of `charge`, of what is left of it unless an amount is given."""
    built: Json = {
        "id": ids.new("re"),
        "object": "refund",
        "amount": charge["amount_captured"] - charge["amount_refunded"] if amount is None else amount,
        "charge": charge["id"],
        "created": created_at,
        "currency": charge["currency"],
        "failure_reason": "lost_or_stolen_card" if status == "failed" else None,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "reason": reason,
        "status": status,
    }
    return {**built, **fields}


def refunded(charge: Json, amount: int | None = None) -> Json:
    """Return `charge` after one more refund of `amount`, or of what is left; the original is untouched."""
    left = charge["amount_captured"] - charge["amount_refunded"]
    total = charge["amount_refunded"] + (left if amount is None else amount)
    return {**charge, "amount_refunded": total, "refunded": total >= charge["amount_captured"]}
