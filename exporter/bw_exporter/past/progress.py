"""How far a history is, in a line that says how long it will still take."""

from __future__ import annotations

from collections.abc import Callable

from bw_exporter.past.steps import Steps

_EVERY_SECONDS = 2.0
_DAY, _MINUTE = 86_400, 60


class Progress:
    """Says at most every two seconds how many days, events and requests are done."""

    def __init__(self, steps: Steps, show: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._steps, self._show, self._clock = steps, show, clock
        self._began_at = self._shown_at = clock()
        self._first: int | None = None
        self._number = 0

    def at(self, number: int, events: int, requests: int) -> None:
        """Note that a step is done."""
        self._first = number if self._first is None else self._first
        self._number = number
        if self._clock() - self._shown_at >= _EVERY_SECONDS:
            self._shown_at = self._clock()
            self._show(f"{self._line(events, requests)}, {self._left()} left")

    def end(self, events: int, requests: int) -> None:
        """Say where it ended."""
        self._show(self._line(events, requests))

    def _line(self, events: int, requests: int) -> str:
        done, days = (
            steps * self._steps.step_seconds / _DAY for steps in (self._number, len(self._steps.moments) - 1)
        )
        return f"{done:.1f} of {days:.1f} days, {events} events, {requests} requests"

    def _left(self) -> str:
        done = self._number - (self._first or 0)
        if not done:
            return "some time"
        left = len(self._steps.moments) - 1 - self._number
        seconds = (self._clock() - self._began_at) / done * left
        return f"{seconds:.0f} s" if seconds < 2 * _MINUTE else f"{seconds / _MINUTE:.0f} min"
