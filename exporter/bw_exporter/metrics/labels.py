"""The closed lists that label values come from; anything else becomes `other`, so no series is unbounded.

The lists are Stripe's enumerations and documented values (API reference and docs.stripe.com/declines/codes).
Stripe adds values without notice, which is why every reader of these lists has an `other`.
"""

from __future__ import annotations

from bw_exporter.metrics.money import MINOR_UNITS, OTHER

NONE = "none"
"""The value of a reason that Stripe left null. A status never is: one that is missing all the same is `other`."""

CURRENCIES = tuple(sorted(MINOR_UNITS))

DECLINE_REASONS = (
    "generic_decline", "insufficient_funds", "lost_card", "stolen_card", "do_not_honor", "fraudulent",
    "incorrect_cvc", "expired_card", "try_again_later", "transaction_not_allowed", "pickup_card",
    "card_velocity_exceeded", "call_issuer", "processing_error", "highest_risk_level",
    "elevated_risk_level", "low_probability_of_authorization", "rule",
)  # fmt: skip

FAILURE_REASONS = tuple(
    dict.fromkeys(
        (
            "card_declined", "expired_card", "incorrect_cvc", "incorrect_number", "incorrect_zip",
            "invalid_cvc", "invalid_expiry_month", "invalid_expiry_year", "invalid_number",
            "processing_error", "insufficient_funds", "authentication_required",
            "payment_method_provider_decline", "payment_intent_authentication_failure",
            "amount_too_large", "amount_too_small", "bank_account_declined", "debit_not_authorized",
            *DECLINE_REASONS, NONE, OTHER,
        )
    )
)  # fmt: skip

DISPUTE_REASONS = (
    "bank_cannot_process", "check_returned", "credit_not_processed", "customer_initiated",
    "debit_not_authorized", "duplicate", "fraudulent", "general", "incorrect_account_details",
    "insufficient_funds", "noncompliant", "product_not_received", "product_unacceptable",
    "subscription_canceled", "unrecognized", NONE, OTHER,
)  # fmt: skip

DISPUTE_OUTCOMES = ("won", "lost", "warning_closed", "prevented", OTHER)

SUBSCRIPTION_STATUSES = (
    "active", "canceled", "incomplete", "incomplete_expired", "past_due", "paused", "trialing",
    "unpaid", OTHER,
)  # fmt: skip

SUBSCRIPTION_CHANGES = (
    "created", "canceled", "upgraded", "downgraded", "trial_started", "trial_converted", "paused",
    "resumed", "past_due", "recovered", "cancel_scheduled", "cancel_unscheduled",
)  # fmt: skip

MRR_MOVEMENTS = ("new", "expansion", "contraction", "churn", "reactivation", "opening")

MRR_EXCLUSIONS = ("trialing", "paused", "metered", "tiered", "unknown_price")

PAYOUT_STATUSES = ("paid", "pending", "in_transit", "canceled", "failed", OTHER)

CHECKOUT_OUTCOMES = ("completed", "async_payment_succeeded", "async_payment_failed", "expired")

INVOICE_VERDICTS = ("ok", "mismatch", "abstained", "not_applicable")

INVOICE_ABSTENTIONS = (
    "subscription_unknown", "only_prorations", "metered", "tiered", "multi_currency",
    "lines_truncated", "item_trial", "test_clock", "no_line", "item_unknown", "no_unit_amount",
    "state_evicted", "partial_period", OTHER,
)  # fmt: skip

FINDING_KINDS = (
    "duplicate_charge", "invoice_mismatch", "missed_renewal", "double_invoice", "negative_invoice",
    "currency_mismatch", "unpaid_subscription", "card_reuse",
)  # fmt: skip

CATCH_UP_ERRORS = ("authentication", "permission", "rate_limited", "unreachable", "other")

IGNORED_REASONS = ("redelivered", "wrong_mode", "connect", "thin", "malformed", "destination_copy")

REQUEST_RESULTS = (
    "accepted", "redelivered", "bad_signature", "expired_signature", "malformed", "too_large",
    "rate_limited", "store_error",
)  # fmt: skip

HANDLED_EVENT_TYPES = (
    "charge.succeeded", "charge.captured", "charge.pending", "charge.failed", "charge.expired",
    "charge.updated", "charge.refunded", "charge.refund.updated", "refund.created", "refund.updated",
    "refund.failed", "charge.dispute.created", "charge.dispute.updated", "charge.dispute.closed",
    "charge.dispute.funds_withdrawn", "charge.dispute.funds_reinstated",
    "radar.early_fraud_warning.created", "radar.early_fraud_warning.updated",
    "payment_intent.succeeded", "payment_intent.payment_failed", "setup_intent.setup_failed",
    "invoice.created", "invoice.finalized", "invoice.sent", "invoice.updated", "invoice.paid",
    "invoice.payment_succeeded", "invoice.payment_failed", "invoice.payment_action_required",
    "invoice.overdue", "invoice.overpaid", "invoice.marked_uncollectible", "invoice.voided",
    "invoice_payment.paid",
    "customer.subscription.created", "customer.subscription.updated", "customer.subscription.deleted",
    "customer.subscription.paused", "customer.subscription.resumed",
    "customer.subscription.trial_will_end", "customer.subscription.pending_update_applied",
    "customer.subscription.pending_update_expired",
    "payout.created", "payout.paid", "payout.failed", "payout.canceled",
    "checkout.session.completed", "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed", "checkout.session.expired",
)  # fmt: skip


def listed(value: str | None, values: tuple[str, ...], *, null: str = OTHER) -> str:
    """Return `value` where the list has it, `null` where it is None, else `other`."""
    if value is None:
        return null
    return value if value in values else OTHER
