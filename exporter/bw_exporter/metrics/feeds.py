"""Which Stripe event moves which metric, for the reference pages; a test plays every event and compares."""

from __future__ import annotations

from bw_exporter.metrics import catalog
from bw_exporter.metrics.catalog import Family
from bw_exporter.metrics.labels import HANDLED_EVENT_TYPES

EVERY_EVENT: tuple[Family, ...] = (
    catalog.EVENTS,
    catalog.WEBHOOK_LAG,
    catalog.LAST_EVENT,
    catalog.WEBHOOK_REQUESTS,
    catalog.STORE_COMMITS,
)
"""What an event of any type moves when it is first applied."""

_CHARGES = (catalog.CHARGE_ATTEMPTS, catalog.REVENUE)
_DUPLICATES = (
    catalog.DUPLICATE_CHARGES,
    catalog.DUPLICATE_AMOUNT,
    catalog.DUPLICATE_SKIPPED,
    catalog.LAST_DUPLICATE,
)
_FAILURES = (catalog.CHARGE_ATTEMPTS, catalog.CHARGE_FAILURES)
_REFUNDS = (catalog.REFUNDS, catalog.REFUNDED)
_DISPUTES = (catalog.DISPUTES, catalog.DISPUTES_OPEN)
_CHECKED = (catalog.INVOICE_CHECKS, catalog.INVOICE_ABSTENTIONS, catalog.LAST_MISMATCH)
_PAID = (catalog.INVOICES_PAID, catalog.INVOICES_PAID_AMOUNT, catalog.REVENUE)
_SUBSCRIPTION = (catalog.SUBSCRIPTIONS, catalog.SUBSCRIPTION_CHANGES)

FEEDS: dict[str, tuple[Family, ...]] = {
    "charge.succeeded": (*_CHARGES, *_DUPLICATES),
    "charge.captured": (*_CHARGES, *_DUPLICATES),
    "charge.failed": _FAILURES,
    "charge.refunded": _REFUNDS,
    "charge.refund.updated": (catalog.REFUND_FAILURES,),
    "refund.created": (*_REFUNDS, catalog.REFUND_FAILURES),
    "refund.updated": (catalog.REFUND_FAILURES,),
    "refund.failed": (catalog.REFUND_FAILURES,),
    "charge.dispute.created": (*_DISPUTES, catalog.INQUIRIES),
    "charge.dispute.updated": _DISPUTES,
    "charge.dispute.closed": (catalog.DISPUTES_CLOSED, catalog.DISPUTES_OPEN),
    "charge.dispute.funds_withdrawn": (catalog.DISPUTE_FUNDS,),
    "charge.dispute.funds_reinstated": (catalog.DISPUTE_FUNDS,),
    "radar.early_fraud_warning.created": (catalog.EARLY_FRAUD_WARNINGS,),
    "payment_intent.succeeded": _CHARGES,
    "payment_intent.payment_failed": (catalog.AUTHENTICATION_FAILURES, *_FAILURES),
    "invoice.finalized": _CHECKED,
    "invoice.sent": _CHECKED,
    "invoice.updated": _CHECKED,
    "invoice.paid": (*_PAID, *_CHECKED),
    "invoice.payment_succeeded": (*_PAID, *_CHECKED),
    "invoice.payment_failed": (catalog.INVOICE_PAYMENT_FAILURES, *_CHECKED),
    "invoice.payment_action_required": _CHECKED,
    "invoice.overdue": _CHECKED,
    "invoice.overpaid": _CHECKED,
    "invoice.marked_uncollectible": _CHECKED,
    **{name: _SUBSCRIPTION for name in HANDLED_EVENT_TYPES if name.startswith("customer.subscription.")},
    **{name: (catalog.PAYOUTS,) for name in HANDLED_EVENT_TYPES if name.startswith("payout.")},
    **{name: (catalog.CHECKOUT_SESSIONS,) for name in HANDLED_EVENT_TYPES if name.startswith("checkout.")},
}
"""What an event of a type may move beside that: of its own object, now or when its check's grace is over.

Revenue by the tenant's basis alone, and attempts and failures from payment intents on that basis only.
"""

EXPLAINS: dict[str, tuple[Family, ...]] = {
    **dict.fromkeys(
        (
            "charge.refunded",
            "refund.created",
            "refund.failed",
            "invoice_payment.paid",
            "payment_intent.succeeded",
        ),
        (catalog.DUPLICATE_CHARGES,),
    ),
    **dict.fromkeys(
        (*(n for n in FEEDS if n.startswith("customer.subscription.")), "invoice.voided"),
        (catalog.INVOICE_CHECKS,),
    ),
}
"""Events that a check listens to, to tell a mistake from what only looks like one."""

SELECT: tuple[str, ...] = tuple(
    name
    for name in HANDLED_EVENT_TYPES
    if (name in FEEDS or name in EXPLAINS)
    # The state of an invoice when it is finalized and when it is paid says all that the others say again.
    and (
        not name.startswith("invoice.")
        or name in ("invoice.finalized", "invoice.paid", "invoice.payment_failed", "invoice.voided")
    )
)
"""The events to select at Stripe. invoice.created is none of them: Stripe holds invoices back until it is answered."""


def feeding(family: Family) -> tuple[str, ...]:
    """Return the event types that move a family; none for one that all of them move, or none of them does."""
    return tuple(name for name in HANDLED_EVENT_TYPES if family in FEEDS.get(name, ()))
