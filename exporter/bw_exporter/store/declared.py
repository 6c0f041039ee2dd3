"""What a work reads, declared before its transaction, so that a distant database gives all of it in one round trip."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from bw_exporter.store.protocol import Transaction

T = TypeVar("T")


class EventId(NamedTuple):
    """Whether an event is remembered: `remember_event` and `knows_event`."""

    created_at: int
    tenant: str
    event: str


class StatesOf(NamedTuple):
    """The states of all kinds of one object: `load`."""

    tenant: str
    key: str


class SecretStatesOf(NamedTuple):
    """The states of an object that is known by a MAC alone: `load` by the `secret_key` of these parts' topic."""

    tenant: str
    parts: tuple[str, ...]


class MarksAround(NamedTuple):
    """The marks of a secret topic around a moment: `marks_around`; `parts` are those of `secret_topic`."""

    tenant: str
    parts: tuple[str, ...]
    at: int
    within_seconds: int


class DeferredOf(NamedTuple):
    """The deferred checks of a subject: `deferred`."""

    tenant: str
    check: str
    subject: str


Read = EventId | StatesOf | SecretStatesOf | MarksAround | DeferredOf


def secret_key(topic: int) -> str:
    """Return the key of an object that is known by a MAC alone; `topic` is what `secret_topic` gave.

    >>> secret_key(-1)
    'mac_ffffffffffffffff'
    """
    return f"mac_{topic & (1 << 64) - 1:016x}"


@dataclass(frozen=True, slots=True)
class DeclaredWork(Generic[T]):
    """A work that says beforehand what it reads.

    `reads` is called at most once, outside of the transaction. A read that it leaves out is done all the same, at
    the price of a round trip inside the transaction; one that turns out not to be needed costs a row or none.
    """

    run: Callable[[Transaction], T]
    reads: Callable[[], Iterable[Read]]

    def __call__(self, tx: Transaction) -> T:
        """Do the work."""
        return self.run(tx)
