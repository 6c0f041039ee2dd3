"""What a check is, and what its memory is made of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol, TypeVar

from bw_exporter.config.tenants import Tenant
from bw_exporter.facts import Fact
from bw_exporter.store.declared import Read
from bw_exporter.store.protocol import DeferredCheck, Finding, Transaction
from bw_exporter.store.state_json import decoded, encoded

State = TypeVar("State")


class Check(Protocol):
    """A module of this package: its name, the facts it looks at, what its findings tell, and how it judges.

    One with `TAKES_LISTED = True` also sees facts of objects as a list of Stripe's has them, without an event.
    """

    NAME: str
    FACTS: tuple[type, ...]
    DETAILS: tuple[str, ...]

    def reads(self, fact: Fact, tenant: Tenant) -> Iterable[Read]:
        """Return what `observe` will read, as far as the fact says it: a database across a network gives it at once."""

    def observe(self, fact: Fact, tx: Transaction, tenant: Tenant, now: int) -> None:
        """Take in one fact; count a verdict at once, or defer it."""

    def resolve(self, deferred: DeferredCheck, tx: Transaction, now: int) -> Finding | None:
        """Give the verdict of a deferred check, which is dropped already, or defer it anew; return what was found."""


def load(state: type[State], tx: Transaction, tenant: str, kind: str, key: str) -> State:
    """Return what is remembered under a key, or the state's defaults."""
    return decoded(state, tx.load(tenant, kind, key))


def save(state: Any, tx: Transaction, tenant: str, kind: str, key: str, keep_until: int) -> None:  # noqa: ANN401 - any state
    """Remember a state."""
    tx.save(tenant, kind, key, encoded(state), keep_until)


def stripe_link(section: str, object_id: str, *, livemode: bool) -> str:
    """Return where Stripe's dashboard shows an object."""
    return f"https://dashboard.stripe.com/{'' if livemode else 'test/'}{section}/{object_id}"
