"""Invoices, their lines, and the payments that settle them."""

from __future__ import annotations

from typing import Literal

from bw_simulator.shop.ids import Ids
from bw_simulator.shop.objects.subscriptions import MONTH_SECONDS
from bw_simulator.shop.shapes import Json, Shape, listing


def subscription_line(
    ids: Ids,
    *,
    subscription: str,
    item: Json,
    period_start_at: int,
    period_end_at: int | None = None,
    amount: int | None = None,
    quantity: int | None = None,
    proration: bool = False,
    shape: Shape = "new",
    **fields: object,
) -> Json:
    """Return an invoice line for a subscription's item, of price times quantity unless `amount` is given."""
    price, units = item["price"], item["quantity"] if quantity is None else quantity
    built = _line(
        ids,
        amount=price["unit_amount"] * units if amount is None else amount,
        currency=price["currency"],
        quantity=units,
        period_start_at=period_start_at,
        period_end_at=period_end_at,
    )
    if shape == "old":
        built |= {
            "type": "subscription",
            "price": price,
            "plan": item["plan"],
            "proration": proration,
            "subscription": subscription,
            "subscription_item": item["id"],
        }
    else:
        built |= _parent(
            "subscription_item_details",
            {
                "invoice_item": None,
                "proration": proration,
                "subscription": subscription,
                "subscription_item": item["id"],
            },
        )
        built |= _pricing(price["id"], price["product"], price["unit_amount_decimal"])
    return {**built, **fields}


def one_off_line(
    ids: Ids,
    *,
    amount: int,
    period_start_at: int,
    currency: str = "usd",
    subscription: str | None = None,
    proration: bool = False,
    shape: Shape = "new",
    **fields: object,
) -> Json:
    """Return an invoice line for an invoice item: a set-up fee, or a credit or debit of a proration."""
    built = _line(ids, amount=amount, currency=currency, quantity=1, period_start_at=period_start_at)
    if shape == "old":
        built |= {
            "type": "invoiceitem",
            "invoice_item": ids.new("ii"),
            "proration": proration,
            "subscription": subscription,
        }
    else:
        built |= _parent(
            "invoice_item_details",
            {"invoice_item": ids.new("ii"), "proration": proration, "subscription": subscription},
        )
        built |= _pricing(ids.new("price"), ids.new("prod"), str(amount))
    return {**built, **fields}


def _line(
    ids: Ids,
    *,
    amount: int,
    currency: str,
    quantity: int,
    period_start_at: int,
    period_end_at: int | None = None,
) -> Json:
    end_at = period_start_at + MONTH_SECONDS if period_end_at is None else period_end_at
    return {
        "id": ids.new("il"),
        "object": "line_item",
        "amount": amount,
        "currency": currency,
        "discount_amounts": [],
        "livemode": True,
        "metadata": {},
        "period": {"start": period_start_at, "end": end_at},
        "quantity": quantity,
    }


def _parent(kind: str, details: Json) -> Json:
    return {"parent": {"type": kind, kind: details}}


def _pricing(price: str, product: str, unit_amount_decimal: str | None) -> Json:
    return {
        "pricing": {
            "type": "price_details",
            "price_details": {"price": price, "product": product},
            "unit_amount_decimal": unit_amount_decimal,
        }
    }


def invoice(
    ids: Ids,
    *,
    created_at: int,
    lines: list[Json],
    subscription: str | None = None,
    customer: str | None = None,
    currency: str = "usd",
    status: Literal["draft", "open", "paid", "uncollectible", "void"] = "open",
    finalized_at: int | None = None,
    paid_at: int | None = None,
    attempt_count: int | None = None,
    next_attempt_at: int | None = None,
    billing_reason: str | None = "subscription_cycle",
    payment_intent: str | None = None,
    charge: str | None = None,
    shape: Shape = "new",
    **fields: object,
) -> Json:
    """Return an invoice over the sum of its lines; a paid one is paid in full.

    It is finalized at `finalized_at`, by default at its creation unless it is a draft. `charge` and
    `payment_intent` show in the old shape alone.
    """
    total = sum(line["amount"] for line in lines)
    paid = total if status == "paid" else 0
    if finalized_at is None and status != "draft":
        finalized_at = created_at
    if paid_at is None and status == "paid":
        paid_at = finalized_at
    attempts = int(status == "paid") if attempt_count is None else attempt_count
    built: Json = {
        "id": ids.new("in"),
        "object": "invoice",
        "amount_due": total,
        "amount_paid": paid,
        "amount_remaining": total - paid,
        "attempt_count": attempts,
        "attempted": attempts > 0,
        "billing_reason": billing_reason,
        "collection_method": "charge_automatically",
        "created": created_at,
        "currency": currency,
        "customer": customer or ids.new("cus"),
        "lines": listing(lines),
        "livemode": True,
        "metadata": {},
        "next_payment_attempt": next_attempt_at,
        "period_end": created_at,
        "period_start": created_at - MONTH_SECONDS,
        "starting_balance": 0,
        "status": status,
        "status_transitions": {"finalized_at": finalized_at, "paid_at": paid_at, "voided_at": None},
        "subtotal": total,
        "test_clock": None,
        "total": total,
    }
    if shape == "old":
        built |= {
            "charge": charge,
            "paid": status == "paid",
            "paid_out_of_band": False,
            "payment_intent": payment_intent,
            "subscription": subscription,
        }
    else:
        details: Json = {"metadata": {}, "subscription": subscription}
        built["parent"] = subscription and {
            "type": "subscription_details",
            "quote_details": None,
            "subscription_details": details,
        }
    return {**built, **fields}


def invoice_payment(
    ids: Ids, *, invoice: Json, payment_intent: str, created_at: int, **fields: object
) -> Json:
    """Return what links a paid invoice to its payment intent since basil took the invoice off the charge."""
    built: Json = {
        "id": ids.new("inpay"),
        "object": "invoice_payment",
        "amount_paid": invoice["amount_due"],
        "amount_requested": invoice["amount_due"],
        "created": created_at,
        "currency": invoice["currency"],
        "invoice": invoice["id"],
        "is_default": True,
        "livemode": True,
        "payment": {"type": "payment_intent", "payment_intent": payment_intent},
        "status": "paid",
        "status_transitions": {"canceled_at": None, "paid_at": created_at},
    }
    return {**built, **fields}
