"""The requests that a worker's loop answers itself: their work goes into one transaction, and no thread is woken.

With a thread for each request, the threads hand Python's lock to one another at every statement of the commit,
which by measurement makes a durable answer cost half as much again.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from bw_exporter.durable_answer import Unanswered
from bw_exporter.errors import StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bw_exporter.serving.connection import Connection
    from bw_exporter.serving.exchange import Exchange
    from bw_exporter.store import Outcome, PromptStore

T = TypeVar("T")

LARGEST_BATCH = 64
"""Requests in one transaction at most."""

GATHER_SECONDS = 0.005
"""How long requests that go on arriving may keep the first one from its commit."""

PATIENCE_SECONDS = 8.0
"""How long a request waits for its commit; Stripe waits for longer than that."""

_ASK_AGAIN_SECONDS = 0.001
_ASK_SELDOM_SECONDS = 0.02


class Loop(Protocol):
    """What a batch needs of the worker whose loop it is in."""

    def exchange(self, conn: Connection) -> tuple[Exchange, object]:
        """Read the next request and ask the application."""

    def attempt(self, conn: Connection, step: Callable[[], T]) -> T | bool:
        """Run a step of answering; where it raises, refuse the request or let it go, and return False."""

    def finish_request(self, conn: Connection, keep: bool) -> None:  # noqa: FBT001 - gunicorn's own signature
        """Keep the connection for its next request, or let it close."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A request whose work is not durable yet; `since` is on the monotonic clock."""

    exchange: Exchange
    body: Unanswered
    since: float


class Batch:
    """Takes connections with a whole request. Nothing here blocks but the transaction itself."""

    def __init__(
        self, loop: Loop, store: PromptStore, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._loop = loop
        self._store = store
        self._monotonic = monotonic
        self._asking: deque[Connection] = deque()
        self._waiting: deque[_Waiting] = deque()
        self._refused = 0

    def take(self, conn: Connection) -> None:
        """Have the request answered in the next step."""
        self._asking.append(conn)

    def pause(self) -> float:
        """Return for how many seconds the loop may wait for something to happen."""
        if not self._waiting:
            return float("inf")
        # The longer another process has its turn, the less it matters when exactly that ends.
        return min(_ASK_AGAIN_SECONDS * self._refused, _ASK_SELDOM_SECONDS)

    def step(self, *, idle: bool) -> None:
        """Ask the application what arrived since the last step; commit and answer once nothing more comes.

        `idle`: the loop has found nothing to do meanwhile.
        """
        while self._asking:
            self._ask(self._asking.popleft())
        if not self._waiting:
            return
        now = self._monotonic()
        full = len(self._waiting) >= LARGEST_BATCH or now - self._waiting[0].since >= GATHER_SECONDS
        if idle or full:
            self._commit()
        while self._waiting and now - self._waiting[0].since >= PATIENCE_SECONDS:
            late = StoreUnavailableError(
                f"the store did not commit within {PATIENCE_SECONDS:g} s; is another process holding it?"
            )
            self._answer(self._waiting.popleft(), (None, late))

    def _ask(self, conn: Connection) -> None:
        conn.patient = False
        keep = self._loop.attempt(conn, lambda: self._asked(conn))
        if keep is not None:
            self._finish(conn, keep=keep)

    def _asked(self, conn: Connection) -> bool | None:
        """Return None where the answer waits for its work."""
        exchange, body = self._loop.exchange(conn)
        if not isinstance(body, Unanswered):
            return exchange.send(body)  # type: ignore[arg-type]
        self._waiting.append(_Waiting(exchange, body, self._monotonic()))
        return None

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

    def _answer(self, waited: _Waiting, outcome: Outcome) -> None:
        conn = waited.exchange.conn
        keep = self._loop.attempt(conn, lambda: waited.exchange.send(waited.body.answered(outcome)))
        self._finish(conn, keep=keep)

    def _finish(self, conn: Connection, *, keep: bool) -> None:
        conn.patient = True
        self._loop.finish_request(conn, keep)
