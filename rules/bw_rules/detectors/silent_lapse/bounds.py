"""How long a silence is no lapse: the numbers, chosen on made-up shops with known trouble."""

from __future__ import annotations

from itertools import pairwise
from math import log
from typing import TYPE_CHECKING

from bw_exporter.config.durations import render as duration
from bw_rules.toolkit.promql import DAY, HOUR, MINUTE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bw_rules.toolkit.thresholds import Base

FLOOR = 20 * MINUTE
"""Less is never a lapse, however busy the tenant."""
FACTOR, SLACK = 2, 15 * MINUTE
"""A lapse is longer than so many times the usual longest silence, and so many seconds."""
YOUNG, UNKNOWN = DAY, 2 * DAY
"""The least for a tenant of less than two weeks, and for one whose past Prometheus does not know."""
WINDOWS = (HOUR, 2 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 3 * DAY, 7 * DAY)


def bar(window: int) -> float:
    """Return how many payments have to be due in a window so that none is no chance.

    None of 11 comes once in e^11 = 60,000 hours; longer windows are fewer in a year, so that less is enough.
    """
    return round(max(7.0, 11 - 0.7 * log(window / HOUR)), 2)


def evident_seconds(due: Mapping[int, float]) -> float:
    """Return the seconds in which as many payments are due as `bar` says; `due` are those of each of WINDOWS."""
    ratio = {window: due[window] / bar(window) for window in WINDOWS}
    if ratio[WINDOWS[0]] >= 1:
        return WINDOWS[0] / ratio[WINDOWS[0]]
    for shorter, longer in pairwise(WINDOWS):
        if ratio[longer] >= 1:
            part = (1 - ratio[shorter]) / (ratio[longer] - ratio[shorter])
            return shorter + (longer - shorter) * part
    return WINDOWS[-1] / ratio[WINDOWS[-1]]


def suffix_of(t: Base) -> str:
    """Return what the names of habits of fewer weeks end in."""
    return "" if t.weeks == t.USUAL_WEEKS else f"_{t.weeks}w"


def due_name(window: int, t: Base, more: str = "") -> str:
    """Return the name of the recorded payments that are due in a window."""
    return f"tenant:billing_charge_attempts:usual{duration(window)}{more}{suffix_of(t)}"


def longest_name(t: Base) -> str:
    """Return the name of the recorded longest silence that is usual near this hour of the week."""
    return f"tenant:billing_silence_seconds:usual{suffix_of(t)}"
