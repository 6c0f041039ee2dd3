"""How long things are remembered, in seconds. Housekeeping forgets by these."""

from __future__ import annotations

DAY_SECONDS = 86400

EVENT_IDS_SECONDS = 35 * DAY_SECONDS
"""Stripe can resend an event for 30 days; four more cover the retries of one received late (up to 3 days)."""

LATE_EVENT_SECONDS = 31 * DAY_SECONDS
"""Events received older than this are remembered from their receipt instead of their creation."""

CHARGE_LEDGER_SECONDS = 35 * DAY_SECONDS
"""Extended authorisations end after 30 days, so captures in parts still find what was counted."""

LEDGER_SECONDS = 120 * DAY_SECONDS
"""Refund, dispute and invoice ledgers, and what counts once, after the last change."""

ENDED_SUBSCRIPTION_SECONDS = 60 * DAY_SECONDS

FINDING_SECONDS = 90 * DAY_SECONDS

MARKS_PER_TENANT = 200_000
"""Payers remembered per tenant, up to two a charge; the oldest beyond that are evicted, and counted as such."""


def to_the_full_hour(keep_until: int) -> int:
    """Return the end of the hour: so what changes often seldom moves in an index of when to forget."""
    return -(-keep_until // 3600) * 3600


def charges_kept_seconds(window_seconds: int) -> int:
    """How long a charge's payer is remembered: the duplicate window and Stripe's three days of retries."""
    return window_seconds + 3 * DAY_SECONDS + 3600
