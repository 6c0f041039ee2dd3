"""A tenant's sales: money, charges, subscriptions, payouts."""

from __future__ import annotations

from boards.toolkit import panels
from boards.toolkit.counts import amounts, counts, split
from boards.toolkit.panels import Lines
from boards.toolkit.parts import Query
from boards.toolkit.queries import CURRENCY, ONE, latest, revenue_so_far, whole_units
from bw_exporter.metrics import catalog
from bw_rules.detectors.revenue_drop import REVENUE


def money() -> tuple[Lines, ...]:
    """Money in the chosen currency."""
    today = panels.lines(
        "Revenue today so far, $currency",
        "Gross revenue since midnight (the time zone is the browser's), in whole units; dashed is the same weekday "
        "last week. Normal: the two climb together.",
        "locale",
        Query(whole_units(revenue_so_far(REVENUE.max_name, "", ONE, CURRENCY)), "today"),
        Query(whole_units(revenue_so_far(REVENUE.max_name, "7d", ONE, CURRENCY)), "same weekday last week"),
        width=12,
        label="$currency",
        interval="5m",
    )
    panels.dashed(today, "B", "text")
    return (
        today.time_from("now/d"),
        amounts(
            "Revenue and refunds, $currency",
            "Gross revenue and amounts refunded, in whole units, each in its bar's time. Normal: refunds of a few "
            "percent of revenue.",
            (catalog.REVENUE, "revenue"),
            (catalog.REFUNDED, "refunded"),
            width=12,
        ),
    )


def charges() -> tuple[Lines, ...]:
    """Charges and what became of them."""
    return (
        counts(
            "Charges attempted and failed",
            "Charges seen succeeded or failed, and those that failed; not stacked. Normal: failures well below a "
            "tenth of the attempts.",
            (catalog.CHARGE_ATTEMPTS, "attempted"),
            (catalog.CHARGE_FAILURES, "failed"),
            (catalog.AUTHENTICATION_FAILURES, "given up before a charge (authentication)"),
            stacked=False,
            width=6,
        ),
        split(
            "Charges that took money, by currency",
            "Each charge once, when it took money: what revenue is judged by, as each currency has a rhythm of its "
            "own. Normal: the shape of the tenant's day.",
            catalog.CHARGES,
            "currency",
            width=6,
        ),
        split(
            "Failed charges by reason",
            "Failure code, or the listed reason of a declined card. Normal: a mixture of insufficient_funds, "
            "generic_decline and the like. One reason alone tells where to look: processing_error at Stripe or a "
            "bank, incorrect_cvc and fraudulent at card testing.",
            catalog.CHARGE_FAILURES,
            "reason",
            width=6,
        ),
        split(
            "Checkout sessions by outcome",
            "Sessions completed, expired, or paid later. Normal: some expire; none completing while some expire means "
            "that checkout is broken.",
            catalog.CHECKOUT_SESSIONS,
            "outcome",
            width=6,
        ),
    )


def subscriptions() -> tuple[Lines, ...]:
    """Subscriptions, their changes, and collecting their invoices."""
    return (
        panels.lines(
            "Subscriptions by status",
            "Subscriptions the exporter has seen; canceled ones count for 60 days. Normal: active far above all "
            "others, past_due a few in a hundred.",
            "short",
            Query(latest(catalog.SUBSCRIPTIONS.name, "tenant, status", ONE), "{{status}}"),
            kind="steps",
        ),
        split(
            "Changes of subscriptions",
            "Created, canceled, upgraded and so on. Normal: the shape of the tenant's day; a burst of canceled or "
            "past_due follows failing charges.",
            catalog.SUBSCRIPTION_CHANGES,
            "change",
        ),
        counts(
            "Dunning: invoices paid and failed",
            "Invoices paid, and failed attempts to collect one. Normal: failures well below payments; renewals come in "
            "waves.",
            (catalog.INVOICES_PAID, "paid"),
            (catalog.INVOICE_PAYMENT_FAILURES, "attempts failed"),
            stacked=False,
        ),
    )


def payouts() -> tuple[Lines, ...]:
    """Money that leaves."""
    return (
        split(
            "Payouts by status",
            "Payouts to the bank that reached a status. Normal: paid on the account's schedule, none failed.",
            catalog.PAYOUTS,
            "status",
            width=6,
        ),
        panels.lines(
            "Time since the last payout",
            "Since Stripe last said that a payout was paid. Normal: it climbs to the account's schedule (a day, a "
            "week) and falls to 0. Higher than ever: money waits at Stripe.",
            "s",
            Query(
                f"time() - ({latest(catalog.LAST_PAYOUT.name, 'tenant', ONE)} > 0)", "since the last payout"
            ),
            width=6,
        ),
        counts(
            "Refunds",
            "Refunds made, and those that failed or were canceled. Normal: few; a failed one leaves a customer unpaid.",
            (catalog.REFUNDS, "refunds"),
            (catalog.REFUND_FAILURES, "failed or canceled"),
            width=6,
        ),
        amounts(
            "Invoices paid, $currency",
            "Amount of invoices paid, in whole units. It is part of revenue, not to be added to it. Normal: waves of "
            "renewals.",
            (catalog.INVOICES_PAID_AMOUNT, "paid"),
            width=6,
        ),
    )
