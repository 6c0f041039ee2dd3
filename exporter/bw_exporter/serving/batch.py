"""Answering in the loop over a store whose transactions are short: a pass of the loop is one of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bw_exporter.errors import StoreUnavailableError
from bw_exporter.serving.in_loop import InLoop, Loop

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bw_exporter.store import Outcome, PromptStore

LARGEST_BATCH = 64
"""Requests in one transaction at most."""

GATHER_SECONDS = 0.005
"""How long requests that go on arriving may keep the first one from its commit."""

_NAP_SECONDS = 0.0001
_NAPS = 30
"""A commit of another worker is soon over, and the poller waits for a millisecond at least."""

_ASK_AGAIN_SECONDS = 0.001
_ASK_SELDOM_SECONDS = 0.02


class Batch(InLoop):
    """Commits once nothing more comes, in the loop itself: nothing blocks it but the transaction."""

    def __init__(
        self, loop: Loop, store: PromptStore, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(loop, monotonic)
        self._store = store
        self._refused = 0

    def pause(self) -> float:
        """Return nothing while anything waits, unless another process has its turn."""
        if not self._waiting:
            return float("inf")
        # The longer another process has its turn, the less it matters when exactly that ends.
        return min(_ASK_AGAIN_SECONDS * max(0, self._refused - _NAPS), _ASK_SELDOM_SECONDS)

    def _go_on(self, *, idle: bool) -> None:
        waited = self._monotonic() - self._waiting[0].since
        if idle or len(self._waiting) >= LARGEST_BATCH or waited >= GATHER_SECONDS:
            self._commit()
        if idle and 0 < self._refused <= _NAPS:
            time.sleep(_NAP_SECONDS)
        while self._waiting and self._lost_patience(self._waiting[0]):
            self._answer_late(self._waiting.popleft())

    def _commit(self) -> None:
        group = [self._waiting[place] for place in range(min(len(self._waiting), LARGEST_BATCH))]
        outcomes: Sequence[Outcome] | None
        try:
            outcomes = self._store.try_write([each.body.work for each in group])
        except StoreUnavailableError as error:
            outcomes = [(None, error)] * len(group)
        if outcomes is None:
            self._refused += 1
            return
        self._refused = 0
        for outcome in outcomes:
            self._answer(self._waiting.popleft(), outcome)
