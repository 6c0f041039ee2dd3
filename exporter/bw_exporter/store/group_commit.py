"""Group commit by leader hand-off: the first waiting thread commits for all that wait, then hands on.

No extra thread, so it is safe after a fork and costs nothing at rest. Measured against a writer thread with
a queue and against a transaction per request, it takes the least CPU per request and the shortest p99.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from bw_exporter.errors import StoreUnavailableError

T = TypeVar("T")

LARGEST_GROUP = 128
"""Requests in one commit at most, so that no request waits for an endless group."""


class _Ticket:
    """One thread's work, its outcome, and the lock the thread sleeps on until there is one."""

    __slots__ = ("done", "error", "leads", "result", "wake", "work")

    def __init__(self, work: Callable[[Any], Any]) -> None:
        self.work = work
        self.wake = threading.Lock()
        self.wake.acquire()
        self.leads = False
        self.done = False
        self.result: Any = None
        self.error: BaseException | None = None


class Turn(Protocol):
    """What has to be had for a commit, beside the leadership among the threads of this process."""

    def acquire(self, *, wait: bool = True) -> bool:
        """Take the turn; False where it cannot be had without waiting and `wait` is off."""

    def release(self) -> None:
        """Let the next one have it."""


class NoTurn:
    """For one process alone."""

    def acquire(self, *, wait: bool = True) -> bool:  # noqa: ARG002 - see Turn
        """Return at once."""
        return True

    def release(self) -> None:
        """Do nothing."""


class GroupCommit:
    """Gathers the work of many threads into few transactions.

    `commit(works)` runs the works in one transaction and returns one outcome each, in order: `(result, None)` or
    `(None, error)`; it raises where nothing at all was committed.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[Callable[[Any], Any]]], Sequence[tuple[Any, BaseException | None]]],
        patience_seconds: float,
        turn: Turn | None = None,
    ) -> None:
        """`patience_seconds`: how long a thread waits for its group before it gives up.

        `turn` is held for each commit. The group is gathered when the turn has come, so that it grows while
        another process commits: by measurement half as large again, and a fifth less CPU per request.
        """
        self._commit = commit
        self._patience_seconds = patience_seconds
        self._turn = turn or NoTurn()
        self._mutex = threading.Lock()
        self._waiting: deque[_Ticket] = deque()
        self._led = False

    def run(self, work: Callable[[Any], Any], *, patient: bool = False) -> Any:  # noqa: ANN401 - the work's own result
        """Return what `work` returns, once the transaction that holds it is durable.

        A thread that gives up raises StoreUnavailableError although its work may be committed yet; a request is
        repeated then, and the event's id keeps it from counting twice. A `patient` thread never gives up.
        """
        ticket = _Ticket(work)
        with self._mutex:
            self._waiting.append(ticket)
            leads = not self._led
            self._led = True
        if not leads and not ticket.wake.acquire(timeout=-1 if patient else self._patience_seconds):
            leads = self._give_up(ticket)
        if leads or ticket.leads:
            self._lead()
        if ticket.error is not None:
            raise ticket.error
        if not ticket.done:
            raise RuntimeError("a group was committed without an outcome for this work")
        return ticket.result

    def try_run(self, commit: Callable[[], T]) -> T | None:
        """Return what `commit` returns if nobody else commits now, in this process or another; else None, at once."""
        with self._mutex:
            if self._led:
                return None
            self._led = True
        try:
            if not self._turn.acquire(wait=False):
                return None
            try:
                return commit()
            finally:
                self._turn.release()
        finally:
            self._hand_on()

    def _give_up(self, ticket: _Ticket) -> bool:
        """Leave the queue; True where leadership came at the same moment and has to be taken."""
        with self._mutex:
            if ticket.leads:
                return True
            if ticket in self._waiting:
                self._waiting.remove(ticket)
            if ticket.done or ticket.error is not None:
                return False
        raise StoreUnavailableError(
            f"the store did not commit within {self._patience_seconds:g} s; is another process holding it?"
        )

    def _lead(self) -> None:
        group: list[_Ticket] = []
        try:
            self._turn.acquire()
            try:
                group = self._gathered()
                outcomes = self._commit([ticket.work for ticket in group])
            finally:
                self._turn.release()
            for ticket, (result, error) in zip(group, outcomes, strict=True):
                ticket.result, ticket.error, ticket.done = result, error, True
        except BaseException as error:  # noqa: BLE001 - every waiting thread raises it
            group = group or self._gathered()
            for ticket in group:
                ticket.error = error
        finally:
            self._hand_on()
            for ticket in group:
                if not ticket.leads:
                    ticket.wake.release()

    def _hand_on(self) -> None:
        with self._mutex:
            if self._waiting:
                self._waiting[0].leads = True
                self._waiting[0].wake.release()
            else:
                self._led = False

    def _gathered(self) -> list[_Ticket]:
        with self._mutex:
            return [self._waiting.popleft() for _ in range(min(len(self._waiting), LARGEST_GROUP))]
