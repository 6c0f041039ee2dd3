"""What a store does, whichever database keeps it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

from bw_exporter.metrics.series import Change

T = TypeVar("T")

FOREVER = 2**53
"""A `keep_until` that never comes."""

COMMIT_TIMEOUT_SECONDS = 8.0
"""How long a request waits for its commit; Stripe waits for longer than that."""


@dataclass(frozen=True, slots=True)
class DeferredCheck:
    """A verdict that a check has put off: it is resolved once `due_at` has passed, or before by a later event.

    `key` is the object it is about. `subject` is the object whose later events may resolve it. `state` is the
    check's own, thresholds included, so that resolving needs no configuration. `due_at` is in Unix seconds.
    """

    tenant: str
    check: str
    key: str
    subject: str
    due_at: int
    state: bytes


Mark = tuple[int, str]
"""A moment and the key of what happened then."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found, such as one duplicate charge; `details` holds amounts, Stripe ids and a dashboard link."""

    found_at: int
    tenant: str
    kind: str
    details: dict[str, Any]


class Transaction(Protocol):
    """One durable transaction: all of it is kept, or none."""

    def remember_event(self, created_at: int, tenant: str, event: str) -> bool:
        """Remember an event id; False if it was remembered already."""

    def knows_event(self, created_at: int, tenant: str, event: str) -> bool:
        """Tell whether an event id is remembered."""

    def saw_event_since(self, tenant: str, since_at: int, besides: str) -> bool:
        """Tell whether an event created at `since_at` or later was received, other than `besides`."""

    def load(self, tenant: str, kind: str, key: str) -> bytes | None:
        """Return what is remembered of an object."""

    def save(self, tenant: str, kind: str, key: str, state: bytes, keep_until: int) -> None:
        """Remember an object's state until `keep_until` at least."""

    def mark(self, tenant: str, topic: int, mark: Mark, keep_until: int) -> None:
        """Note a key at a moment of a topic, and remember it until `keep_until` at least."""

    def marks_around(
        self, tenant: str, topic: int, mark: Mark, within_seconds: int, limit: int
    ) -> tuple[list[Mark], list[Mark]]:
        """Return up to `limit` marks of a topic before this one and after it, the nearest first.

        `within_seconds` is included; marks of one second are ordered by key.
        """

    def defer(self, deferred: DeferredCheck) -> None:
        """Keep a deferred check, replacing one with the same tenant, check and key."""

    def deferred(self, tenant: str, check: str, subject: str) -> list[DeferredCheck]:
        """Return the deferred checks of a subject, in the order of their keys."""

    def due(self, now: int, limit: int) -> list[DeferredCheck]:
        """Return up to `limit` deferred checks whose `due_at` has passed, the oldest first."""

    def drop(self, deferred: DeferredCheck) -> bool:
        """Forget a deferred check; False if it was resolved or deferred anew since it was read: leave it then."""

    def report(self, finding: Finding) -> None:
        """Keep a finding."""

    def change(self, tenant: str, changes: Sequence[Change]) -> None:
        """Apply changes to the tenant's series."""

    def secret_topic(self, *parts: str) -> int:
        """Return a 64-bit MAC of the parts under a key of the store's own: payers are remembered as nothing else."""


Outcome = tuple[Any, BaseException | None]
"""What a work returned, and None; or None, and what it raised."""


class StoreReader(Protocol):
    """A store that is only looked at. Each method raises StoreUnavailableError while it cannot be read."""

    schema_version: int
    """The last migration that was applied to the store."""

    latest_schema: int
    """The last migration that this version knows."""

    def families(self, tenants: Sequence[str]) -> list[tuple[int, bytes]]:
        """Return each family's number and its finished lines, in order, for these tenants and for none."""

    def samples(self, tenant: str) -> dict[str, int]:
        """Return one tenant's finished lines up to the value, with their values."""

    def above_zero(
        self, families: Sequence[int], tenants: Sequence[str] | None = None
    ) -> list[tuple[str, str, int]]:
        """Return tenant, finished line and value of what these families count above 0, for all tenants or these."""

    def findings(self, *, tenant: str | None, since_at: int, limit: int) -> list[Finding]:
        """Return the newest findings first."""

    def remembered(self, tenant: str, kind: str, key: str) -> bytes | None:
        """Return what is remembered of an object, as Transaction.load does."""

    def remembers_event(self, tenant: str, *, besides: str = "") -> bool:
        """Tell whether an event of a tenant is remembered whose id does not begin with `besides`.

        For people who ask now and then: without an event of that kind all remembered ones are looked at.
        """

    def close(self) -> None:
        """Let go of the database."""


class Store(StoreReader, Protocol):
    """A durable store of counts and memory, shared by all processes that opened the same URL.

    A store object belongs to one process: it must not cross a fork.
    """

    def write(self, work: Callable[[Transaction], T], *, no_timeout: bool = False) -> T:
        """Run `work` in a transaction that may hold the work of other threads too; return once it is durable.

        It may be run more than once, of which one is kept, and so must change nothing but its transaction.

        Raises StoreUnavailableError when the store cannot commit, and whatever `work` raises. Where that is
        after COMMIT_TIMEOUT_SECONDS the work may still be committed: repeat only what counts once, or use `no_timeout`.
        """

    def register(self, tenants: Sequence[str], now: int) -> None:
        """Give tenants not known yet their series at 0 and the time they were first known.

        Tenants that are known already get what a newer version has added to the catalogue.
        """

    def prune(self, now: int, limit: int, forgotten: Callable[[str, bytes], Sequence[Change]]) -> int:
        """Forget up to `limit` events, findings and states each that retention.py says are old.

        `forgotten` gets a state's kind and bytes and says what its end changes. Return how many went.
        """

    def prune_marks(self, now: int, limit: int) -> int:
        """Look through the next `limit` marks and forget the old ones; return how many went."""

    def evict(self, most: int, counted: Callable[[int], Sequence[Change]]) -> int:
        """Forget the oldest marks of tenants with more than `most`; return how many went.

        `counted` says what forgetting the marks of so many keys changes.
        """

    def remembered_after(self, kind: str, after: tuple[str, str], limit: int) -> list[tuple[str, str, bytes]]:
        """Return tenant, key and state of the next objects of a kind, in that order, after this tenant and key.

        For what an upgrade does once: a call looks at all that is remembered up to the last one that it returns.
        """

    def probe(self, now: int) -> float:
        """Commit a row and return the seconds it took; raises StoreUnavailableError."""

    def size_bytes(self) -> int:
        """Return what the store takes on disk."""


@runtime_checkable
class SubmittingStore(Store, Protocol):
    """A store that commits in a thread of its own what an event loop hands to it."""

    def submit(
        self,
        work: Callable[[Transaction], Any],
        then: Callable[[Outcome], None],
        after_all: Callable[[], None] | None = None,
    ) -> Callable[[], bool]:
        """Return at once; `then` is called, in another thread, with the outcome of the transaction that holds `work`.

        `after_all` is called once all outcomes of that transaction were handed over, for each function once: a loop
        is woken once a transaction, not once a work.
        Returns a cancel function. It returns True if the work had not started: `then` will not be called.
        """


@runtime_checkable
class PromptStore(SubmittingStore, Protocol):
    """A store whose transactions are so short that an event loop may run them itself."""

    def try_write(self, works: Sequence[Callable[[Transaction], Any]]) -> list[Outcome] | None:
        """Run works in one durable transaction if its turn can be had at once; None where it cannot.

        Never waits for another thread or process. An outcome each, in order: a work that raises spoils none
        but itself. Raises StoreUnavailableError when the store cannot commit.
        """
