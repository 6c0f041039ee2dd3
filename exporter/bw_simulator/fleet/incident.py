"""What an operator would call trouble: where, from when to when, of what size, and who should speak."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bw_simulator.fleet.calendar import HOUR, Calendar


class Trouble(StrEnum):
    """What goes wrong. Each value names the detector that should speak, and how it comes about, under `DETECTOR`."""

    PAYMENTS_FAIL = "payments fail"
    CARD_TESTING = "card testing"
    CHECKOUT_DEAD = "orders missing"
    ENDPOINT_DEAD = "endpoint dead"
    LATE = "events late"
    DISPUTES = "disputes"
    DUPLICATES = "duplicate charges"
    MISMATCHES = "invoice mismatches"


DETECTOR = {
    Trouble.PAYMENTS_FAIL: "charge_failure_spike",
    Trouble.CARD_TESTING: "charge_failure_spike",
    Trouble.CHECKOUT_DEAD: "revenue_drop",
    Trouble.ENDPOINT_DEAD: "silent_lapse",
    Trouble.LATE: "webhook_lag",
    Trouble.DISPUTES: "fraud_spike",
    Trouble.DUPLICATES: "duplicate_charge",
    Trouble.MISMATCHES: "invoice_mismatch",
}


@dataclass(frozen=True, slots=True)
class Incident:
    """From an hour (UTC) of a judged day on.

    `size` is the share of payments that fail (at the end, where it leaks slowly: `slow`), the share of orders
    that go missing, the seconds that events are late, or how many charges, disputes or findings there are.
    """

    trouble: Trouble
    shop: str
    day: int
    hour: float
    hours: float
    size: float = 1.0
    currency: str = ""
    slow: bool = False

    @property
    def detector(self) -> str:
        """The detector that should speak."""
        return DETECTOR[self.trouble]

    def begin_at(self, calendar: Calendar) -> int:
        """Return the Unix second from which on something is wrong."""
        return calendar.at(self.day, self.hour)

    def end_at(self, calendar: Calendar) -> int:
        """Return the Unix second from which on nothing is wrong any more."""
        return self.begin_at(calendar) + round(self.hours * HOUR)

    def __str__(self) -> str:
        return f"{self.trouble} at {self.shop} on day {self.day}"
