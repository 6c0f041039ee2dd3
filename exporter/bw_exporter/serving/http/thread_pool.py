"""A fixed number of threads that take connections from one queue; no futures, which nobody here waits for."""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class ThreadPool(Generic[T]):
    """Calls `work` with each item, `size` at a time. The threads are daemons: they never hold an exit up."""

    def __init__(self, size: int, work: Callable[[T], None]) -> None:
        """`work` may not raise."""
        self._items: SimpleQueue[T | None] = SimpleQueue()
        self._work = work
        self._size = size
        for number in range(size):
            threading.Thread(target=self._run, name=f"request-{number}", daemon=True).start()

    def put(self, item: T) -> None:
        """Have a thread take the item as soon as one is free."""
        self._items.put(item)

    def shutdown(self, *, wait: bool = False) -> None:  # noqa: ARG002 - as gunicorn calls it
        """Let the threads end once they have done what was put before."""
        for _ in range(self._size):
            self._items.put(None)

    def _run(self) -> None:
        while (item := self._items.get()) is not None:
            self._work(item)
