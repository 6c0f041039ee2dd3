"""Our own absences, which are no trouble of a shop's: deploys of the exporter, failed scrapes, Prometheus away."""

from __future__ import annotations

import random
from collections.abc import Iterator

from bw_simulator.fleet.calendar import MINUTE, Calendar

DEPLOY_SECONDS = 180
DEPLOYS = ((2, 14.5), (11, 9.2), (18, 16.0), (26, 11.1))
"""Judged day and hour (UTC) of deploys of the exporter."""

_PROMETHEUS_AWAY = (14, 13.1)
_PROMETHEUS_AWAY_SECONDS = 25 * MINUTE
_FAILED_SCRAPES = 0.0005
_SCRAPE_SECOND = 7


def deploys(calendar: Calendar) -> list[tuple[int, int]]:
    """Return begin and end (Unix seconds) of the exporter's absences."""
    begins = [calendar.at(day, hour) for day, hour in DEPLOYS if day < calendar.judged_days]
    return [(begin, begin + DEPLOY_SECONDS) for begin in begins]


def prometheus_away(calendar: Calendar) -> tuple[int, int] | None:
    """Return from when to when there was no Prometheus, on whole minutes; None where the calendar ends before."""
    begin = calendar.at(*_PROMETHEUS_AWAY) // MINUTE * MINUTE
    end = begin + _PROMETHEUS_AWAY_SECONDS
    return (begin, end) if end < calendar.end_at else None


def scrapes(calendar: Calendar, seed: int) -> Iterator[tuple[int, bool]]:
    """Give when Prometheus scraped (Unix seconds), and whether the exporter answered."""
    chance = random.Random(f"{seed} scrapes")  # noqa: S311 - made up
    away, gone = deploys(calendar), prometheus_away(calendar)
    for start, end, step in (
        (calendar.begin_at, calendar.judged_at, calendar.habit_step),
        (calendar.judged_at, calendar.end_at, calendar.step),
    ):
        for at in range(start + _SCRAPE_SECOND, end, step):
            answered = chance.random() >= _FAILED_SCRAPES
            if gone is None or not gone[0] <= at < gone[1]:
                yield at, answered and not any(begin <= at < end for begin, end in away)
