"""Why Stripe's API gave no answer, in the words of the metric that counts it."""

from __future__ import annotations

from typing import Literal

from bw_exporter.errors import BillingWatchError

Reason = Literal["authentication", "permission", "rate_limited", "unreachable", "other"]


class StripeApiError(BillingWatchError):
    """A request that Stripe did not answer as asked.

    The text holds no key. `permission` is Stripe's own sentence that names the missing permission.
    """

    def __init__(
        self,
        reason: Reason,
        text: str,
        *,
        temporary: bool = False,
        retry_after_seconds: float | None = None,
    ) -> None:
        """`temporary`: the same request may succeed soon. `retry_after_seconds` is what a 429 asks for, if it does."""
        super().__init__(text)
        self.reason: Reason = reason
        self.temporary = temporary
        self.retry_after_seconds = retry_after_seconds


class CursorGoneError(StripeApiError):
    """The object that a page was to begin after is no longer known to Stripe (400, resource_missing)."""
