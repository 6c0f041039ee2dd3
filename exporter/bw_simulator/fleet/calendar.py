"""The days of a fleet: four weeks of habit, then the days on which alerts are judged."""

from __future__ import annotations

from dataclasses import dataclass

MINUTE, HOUR, DAY, WEEK = 60, 3600, 86400, 604800


@dataclass(frozen=True, slots=True)
class Calendar:
    """The past from `begin_at` (Unix seconds, midnight UTC) on, and how often Prometheus scraped it.

    By default Monday 2025-09-15 to 2025-11-12: two renewal days and the end of summer time lie inside, in Europe on
    judged day 13 and in the US on 20. Steps are the seconds between scrapes, coarser in the weeks of habit.
    """

    begin_at: int = 1_757_894_400
    habit_days: int = 28
    judged_days: int = 30
    habit_step: int = 240
    step: int = 60

    @property
    def judged_at(self) -> int:
        """The first moment at which an alert counts."""
        return self.begin_at + self.habit_days * DAY

    @property
    def end_at(self) -> int:
        """The end of the past."""
        return self.judged_at + self.judged_days * DAY

    def at(self, day: float, hour: float = 0.0) -> int:
        """Return the Unix second of an hour (UTC) of a judged day; days of habit are negative."""
        return self.judged_at + round(day * DAY + hour * HOUR)
