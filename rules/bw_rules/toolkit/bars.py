"""How much evidence is enough, in nats; chosen on made-up shops with known trouble, and kept on others.

A long window is looked at less often in a year than a short one, so that less is enough.
"""

from __future__ import annotations

from fractions import Fraction
from math import log
from typing import TYPE_CHECKING

from bw_rules.toolkit.promql import DAY, HOUR

if TYPE_CHECKING:
    from collections.abc import Mapping

LIFT = Fraction(3, 2)
"""Failures are looked at from this multiple of what is due."""
MIN_LONG = 4
"""The least number of failures in a day or more, where nearly all payments failed."""
ALL_FAIL_PCT = 80

BARS: Mapping[str, Mapping[str, tuple[Fraction, Fraction]]] = {
    "failures": {
        "low": (Fraction(15), Fraction(12)),
        "normal": (Fraction(11), Fraction(9)),
        "high": (Fraction(9), Fraction(8)),
    },
    "counts": {
        "low": (Fraction(10), Fraction(12)),
        "normal": (Fraction(7), Fraction(9)),
        "high": (Fraction(11, 2), Fraction(7)),
    },
    "bursts": {
        "low": (Fraction(14), Fraction(12)),
        "normal": (Fraction(11), Fraction(9)),
        "high": (Fraction(9), Fraction(7)),
    },
}
"""Of the shorter and of the longer windows, by sensitivity; `bursts` are counts within an hour and within a day."""

DROP_WINDOWS = (2 * HOUR, 6 * HOUR, DAY, 3 * DAY, 7 * DAY)
COLLAPSE, COLLAPSE_SALES = Fraction(1, 4), 24
"""Of money alone: a part of the usual day, where so many sales are usual."""

_REVENUE = {"low": 16, "normal": 12, "high": 9}


def of_revenue(sensitivity: str, window: int) -> float:
    """Return the evidence that a drop of revenue needs."""
    return round(max(6.0, _REVENUE[sensitivity] - 0.5 * log(window / HOUR)), 2)
