"""Answering in the loop over a store that lies across a network: a thread of the store's commits meanwhile."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bw_exporter.serving.in_loop import PATIENCE_SECONDS, InLoop, Loop, Waiting

if TYPE_CHECKING:
    from collections.abc import Callable

    from bw_exporter.store import Outcome, SubmittingStore


class Submissions(InLoop):
    """Hands each request's work to the store at once, and answers when the outcome comes back to the loop."""

    def __init__(
        self,
        loop: Loop,
        store: SubmittingStore,
        defer: Callable[[Callable[[Waiting, Outcome], None], Waiting, Outcome], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`defer(function, *arguments)`, from any thread, has the loop call the function."""
        super().__init__(loop, monotonic)
        self._store = store
        self._defer = defer
        self._withdraw: dict[Waiting, Callable[[], bool]] = {}

    def pause(self) -> float:
        """Until the oldest loses patience."""
        if not self._waiting:
            return float("inf")
        return max(0.0, self._waiting[0].since + PATIENCE_SECONDS - self._monotonic())

    def _put_off(self, waiting: Waiting) -> None:
        super()._put_off(waiting)
        work = waiting.body.work
        self._withdraw[waiting] = self._store.submit(
            work, lambda outcome: self._defer(self._committed, waiting, outcome)
        )

    def _committed(self, waiting: Waiting, outcome: Outcome) -> None:
        """In the loop: answer, unless that was done when the patience was lost."""
        if self._withdraw.pop(waiting, None):
            self._answer(waiting, outcome)

    def _go_on(self, *, idle: bool) -> None:  # noqa: ARG002 - nothing here waits for the loop
        while self._waiting and self._waiting[0] not in self._withdraw:
            self._waiting.popleft()
        while self._waiting and self._lost_patience(self._waiting[0]):
            late = self._waiting.popleft()
            if withdraw := self._withdraw.pop(late, None):
                withdraw()
                self._answer_late(late)
