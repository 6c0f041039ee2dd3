"""Disputes, the money they move, and early fraud warnings."""

from __future__ import annotations

from bw_simulator.shop.ids import Ids
from bw_simulator.shop.shapes import Json

DISPUTE_FEE = 1500
"""What Stripe takes for a dispute here, in minor units."""


def dispute(
    ids: Ids,
    *,
    charge: Json,
    created_at: int,
    amount: int | None = None,
    status: str = "needs_response",
    reason: str = "fraudulent",
    **fields: object,
) -> Json:
    """Return a dispute of `charge`; a `status` beginning with `warning_` makes it an inquiry."""
    case_type = "inquiry" if status.startswith("warning_") else "chargeback"
    built: Json = {
        "id": ids.new("du"),
        "object": "dispute",
        "amount": charge["amount"] if amount is None else amount,
        "balance_transactions": [],
        "charge": charge["id"],
        "created": created_at,
        "currency": charge["currency"],
        "is_charge_refundable": case_type == "inquiry",
        "livemode": True,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "payment_method_details": {"type": "card", "card": {"brand": "visa", "case_type": case_type}},
        "reason": reason,
        "status": status,
    }
    return {**built, **fields}


def withdrawn(ids: Ids, dispute: Json, *, created_at: int, fee: int = DISPUTE_FEE) -> Json:
    """Return `dispute` after Stripe took its amount and a fee back."""
    return _moved(ids, dispute, amount=-dispute["amount"], fee=fee, created_at=created_at)


def reinstated(ids: Ids, dispute: Json, *, created_at: int, fee: int = 0) -> Json:
    """Return `dispute` after Stripe gave its amount back; a negative `fee` gives a fee back too."""
    return _moved(ids, dispute, amount=dispute["amount"], fee=fee, created_at=created_at)


def _moved(ids: Ids, dispute: Json, *, amount: int, fee: int, created_at: int) -> Json:
    transaction: Json = {
        "id": ids.new("txn"),
        "object": "balance_transaction",
        "amount": amount,
        "created": created_at,
        "currency": dispute["currency"],
        "fee": fee,
        "net": amount - fee,
        "reporting_category": "dispute" if amount < 0 else "dispute_reversal",
        "type": "adjustment",
    }
    return {**dispute, "balance_transactions": [*dispute["balance_transactions"], transaction]}


def early_fraud_warning(
    ids: Ids,
    *,
    charge: Json,
    created_at: int,
    fraud_type: str = "made_with_stolen_card",
    actionable: bool = True,
    **fields: object,
) -> Json:
    """Return the card network's warning that `charge` is probably fraud."""
    built: Json = {
        "id": ids.new("issfr"),
        "object": "radar.early_fraud_warning",
        "actionable": actionable,
        "charge": charge["id"],
        "created": created_at,
        "fraud_type": fraud_type,
        "livemode": True,
        "payment_intent": charge["payment_intent"],
    }
    return {**built, **fields}
