"""Answering in the loop over a store whose transactions are short: a pass of the loop is one of them."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from bw_exporter.serving.http.in_loop import LARGEST_BATCH, InLoop, Loop, Waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bw_exporter.store import Outcome, PromptStore

GATHER_SECONDS = 0.005
"""How long requests that go on arriving may keep the first one from its commit."""

TURN_SECONDS = 0.01
"""How long the loop asks for its turn. After that it queues like everybody else, or it would never come."""

_NAP_SECONDS = 0.0001
"""A commit of another worker is soon over, and the poller waits for a millisecond at least."""


class Batch(InLoop):
    """Commits in the loop itself once nothing more comes: nothing blocks it but the transaction."""

    def __init__(
        self,
        loop: Loop,
        store: PromptStore,
        defer: Callable[[Callable[[], None]], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(loop, store, defer, monotonic)
        self._prompt_store = store
        self._waiting: deque[Waiting] = deque()

    def pause(self) -> float:
        """Return nothing while anything waits for the loop."""
        return 0.0 if self._waiting else super().pause()

    def _put_off(self, waiting: Waiting) -> None:
        self._waiting.append(waiting)

    def _go_on(self, *, idle: bool) -> None:
        if not self._waiting:
            return
        waited = self._monotonic() - self._waiting[0].since
        if not (idle or len(self._waiting) >= LARGEST_BATCH or waited >= GATHER_SECONDS):
            return
        if self._commit():
            return
        if waited >= TURN_SECONDS:
            while self._waiting:
                self._submit(self._waiting.popleft())
        elif idle:
            time.sleep(_NAP_SECONDS)

    def _commit(self) -> bool:
        """Commit and answer the oldest; False where another has its turn."""
        group = [self._waiting[place] for place in range(min(len(self._waiting), LARGEST_BATCH))]
        outcomes: Sequence[Outcome] | None
        try:
            outcomes = self._prompt_store.try_write([each.body.work for each in group])
        except Exception as error:  # noqa: BLE001 - told to each of them
            outcomes = [(None, error)] * len(group)
        if outcomes is None:
            return False
        for outcome in outcomes:
            self._answer(self._waiting.popleft(), outcome)
        return True
