"""Whole requests that a worker's loop answers itself, so that no thread is woken for them.

With a thread for each request, the threads hand Python's lock to one another at every statement of a commit,
which by measurement makes a durable answer cost half as much again.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from bw_exporter.errors import StoreUnavailableError
from bw_exporter.store.protocol import COMMIT_TIMEOUT_SECONDS
from bw_exporter.webhook.durable_answer import Unanswered

if TYPE_CHECKING:
    from collections.abc import Callable

    from bw_exporter.serving.http.connection import Connection
    from bw_exporter.serving.http.exchange import Exchange
    from bw_exporter.store import Outcome, SubmittingStore

T = TypeVar("T")

LARGEST_BATCH = 64
"""Requests in one step, and so in one transaction of the loop's, at most."""


class Loop(Protocol):
    """What is needed of the worker whose loop it is."""

    def exchange(self, conn: Connection) -> tuple[Exchange, object]:
        """Read the next request and ask the application."""

    def attempt(self, conn: Connection, step: Callable[[], T]) -> T | bool:
        """Run a step of answering; where it raises, refuse the request or let it go, and return False."""

    def finish_request(self, conn: Connection, keep: bool) -> None:  # noqa: FBT001 - gunicorn's own signature
        """Keep the connection for its next request, or let it close."""


@dataclass(frozen=True, slots=True, eq=False)
class Waiting:
    """A request whose work is not durable yet; `since` is on the monotonic clock."""

    exchange: Exchange
    body: Unanswered
    since: float


class InLoop(ABC):
    """Takes connections with a whole request and answers them. Nothing here waits for a client.

    What is submitted to the store is committed by a thread of its own, in its turn among all who write.
    """

    def __init__(
        self,
        loop: Loop,
        store: SubmittingStore,
        defer: Callable[[Callable[[], None]], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`defer(function)`, from any thread, has the loop call the function."""
        self._loop = loop
        self._store = store
        self._defer = defer
        self._monotonic = monotonic
        self._asking: deque[Connection] = deque()
        self._submitted: dict[Waiting, Callable[[], bool]] = {}
        """The cancel function of each submitted work, the oldest first."""
        self._outcomes: deque[tuple[Waiting, Outcome]] = deque()
        """What another thread has handed over."""

    def take(self, conn: Connection) -> None:
        """Have the request answered in one of the next steps."""
        self._asking.append(conn)

    def pause(self) -> float:
        """Return for how many seconds the loop may wait for something to happen."""
        if self._asking:
            return 0.0
        for oldest in self._submitted:
            return max(0.0, oldest.since + COMMIT_TIMEOUT_SECONDS - self._monotonic())
        return float("inf")

    def step(self, *, idle: bool) -> None:
        """Ask the application what has arrived, a request of each connection, and go on with what waits.

        `idle`: the loop has found nothing to do since the last step.
        """
        for _ in range(min(len(self._asking), LARGEST_BATCH)):
            self._ask(self._asking.popleft())
        self._go_on(idle=idle and not self._asking)
        self._end_late()

    @abstractmethod
    def _put_off(self, waiting: Waiting) -> None:
        """Have a request wait for its work."""

    @abstractmethod
    def _go_on(self, *, idle: bool) -> None:
        """Commit what is due."""

    def _submit(self, waiting: Waiting) -> None:
        self._submitted[waiting] = self._store.submit(
            waiting.body.work, lambda outcome: self._outcomes.append((waiting, outcome)), self._wake
        )

    def _wake(self) -> None:
        """In another thread, once a transaction: waking the loop for each outcome would cost a system call each."""
        self._defer(self._answer_all)

    def _answer_all(self) -> None:
        """In the loop: answer what was committed, but not what was answered when its time was up."""
        while self._outcomes:
            waiting, outcome = self._outcomes.popleft()
            if self._submitted.pop(waiting, None):
                self._answer(waiting, outcome)

    def _end_late(self) -> None:
        while self._submitted:
            waiting = next(iter(self._submitted))
            if self._monotonic() - waiting.since < COMMIT_TIMEOUT_SECONDS:
                return
            self._submitted.pop(waiting)()
            late = StoreUnavailableError(
                f"the store did not commit within {COMMIT_TIMEOUT_SECONDS:g} s; is another process holding it?"
            )
            self._answer(waiting, (None, late))

    def _ask(self, conn: Connection) -> None:
        conn.may_block = False
        keep = self._loop.attempt(conn, lambda: self._asked(conn))
        if keep is not None:
            self._finish(conn, keep=keep)

    def _asked(self, conn: Connection) -> bool | None:
        """Return None where the answer waits for its work."""
        exchange, body = self._loop.exchange(conn)
        if not isinstance(body, Unanswered):
            return exchange.send(body)  # type: ignore[arg-type]
        self._put_off(Waiting(exchange, body, self._monotonic()))
        return None

    def _answer(self, waiting: Waiting, outcome: Outcome) -> None:
        conn = waiting.exchange.conn
        keep = self._loop.attempt(conn, lambda: waiting.exchange.send(waiting.body.answered(outcome)))
        self._finish(conn, keep=keep)

    def _finish(self, conn: Connection, *, keep: bool) -> None:
        conn.may_block = True
        self._loop.finish_request(conn, keep)
