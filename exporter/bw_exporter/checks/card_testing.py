"""Card testing: how many different cards failed within ten minutes.

Who tries stolen cards makes many of them fail within minutes; a buyer who tries again has one. A card is known by a
keyed hash of its fingerprint. What it adds to the gauge is taken back by the deferred check of that card.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bw_exporter.checks.check import load, save
from bw_exporter.config.tenants import Tenant
from bw_exporter.facts import Fact
from bw_exporter.facts.charges import CardFailed
from bw_exporter.metrics import catalog
from bw_exporter.metrics.series import Add
from bw_exporter.store.declared import Read, SecretStatesOf, StatesOf, secret_key
from bw_exporter.store.protocol import FOREVER, DeferredCheck, Finding, Transaction

NAME = "card_testing"
DETAILS = ()
FACTS = (CardFailed,)

WINDOW_SECONDS = 600
MOST_CARDS = 10_000
"""More cards of a tenant do not count at once; an attack is one long before. Each takes 250 bytes for ten minutes."""

_CARD = "failed_card"
_TALLY = "failed_cards"
_SLACK_SECONDS = 86_400
"""A card is remembered for longer than it counts, so that it is there when its deferred check is resolved."""


@dataclass(frozen=True, slots=True)
class Card:
    """A card counts until this second (Unix); 0 where it does not count."""

    until: int = 0


@dataclass(frozen=True, slots=True)
class Tally:
    """How many cards count now: the gauge, as the checks can read it."""

    cards: int = 0


def reads(fact: Fact, tenant: Tenant) -> Iterator[Read]:
    """Yield the card, and how many there are."""
    if isinstance(fact, CardFailed):
        yield SecretStatesOf(tenant.id, _parts(fact))
        yield StatesOf(tenant.id, _TALLY)


def observe(fact: Fact, tx: Transaction, tenant: Tenant, now: int) -> None:
    """Count a card that does not count yet, or let it count for longer."""
    assert isinstance(fact, CardFailed)
    until = min(fact.failed_at, now) + WINDOW_SECONDS
    if until <= now:
        return
    key = secret_key(tx.secret_topic(*_parts(fact)))
    card = load(Card, tx, tenant.id, _CARD, key)
    if card.until == 0 and not _counted(tx, tenant.id, key, until):
        return
    if until > card.until:
        save(Card(until), tx, tenant.id, _CARD, key, until + _SLACK_SECONDS)


def resolve(deferred: DeferredCheck, tx: Transaction, now: int) -> Finding | None:
    """Take a card off whose last failure is ten minutes ago; one that failed again meanwhile is asked again."""
    tenant, key = deferred.tenant, deferred.key
    card = load(Card, tx, tenant, _CARD, key)
    if card.until > now:
        tx.defer(DeferredCheck(tenant, NAME, key, key, card.until, b"{}"))
        return None
    save(Card(), tx, tenant, _CARD, key, now)
    tally = load(Tally, tx, tenant, _TALLY, _TALLY)
    save(Tally(tally.cards - 1), tx, tenant, _TALLY, _TALLY, FOREVER)
    tx.change(tenant, (Add(catalog.FAILED_CARDS, (), -1),))
    return None


def _counted(tx: Transaction, tenant: str, key: str, until: int) -> bool:
    tally = load(Tally, tx, tenant, _TALLY, _TALLY)
    if tally.cards >= MOST_CARDS:
        return False
    save(Tally(tally.cards + 1), tx, tenant, _TALLY, _TALLY, FOREVER)
    tx.change(tenant, (Add(catalog.FAILED_CARDS),))
    tx.defer(DeferredCheck(tenant, NAME, key, key, until, b"{}"))
    return True


def _parts(fact: CardFailed) -> tuple[str, str]:
    return ("failed card", fact.fingerprint)
