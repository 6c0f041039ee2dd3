"""What an event's work says that it reads: all that the event alone decides, so that PostgreSQL is asked once."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from bw_exporter import ingest
from bw_exporter.store import DeferredCheck, Finding, open_store
from bw_exporter.store.declared import (
    DeferredOf,
    EventId,
    MarksAround,
    Read,
    SecretStatesOf,
    StatesOf,
    secret_key,
)
from bw_exporter.store.postgres.store import PostgresStore
from bw_simulator.shop import anomalies
from bw_simulator.shop.deliveries import deliveries
from bw_simulator.shop.traffic import Shop
from support import books

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bw_exporter.metrics.series import Change
    from bw_exporter.store.protocol import Mark
    from support.postgres import PostgresServer

START = 1_795_000_000
BASES = ("charge", "payment_intent", "invoice")
LATE_SECONDS = 40 * 86400


class EmptyTables:
    """A transaction on tables that hold nothing, which notes what it is asked."""

    def __init__(self) -> None:
        self.asked: set[Read] = set()
        self._topics: dict[int, tuple[str, ...]] = {}
        self._secrets: dict[str, tuple[str, ...]] = {}

    def remember_event(self, created_at: int, tenant: str, event: str) -> bool:
        return not self.knows_event(created_at, tenant, event)

    def knows_event(self, created_at: int, tenant: str, event: str) -> bool:
        self.asked.add(EventId(created_at, tenant, event))
        return False

    def load(self, tenant: str, _kind: str, key: str) -> bytes | None:
        secret = self._secrets.get(key)
        self.asked.add(SecretStatesOf(tenant, secret) if secret else StatesOf(tenant, key))
        return None

    def marks_around(
        self, tenant: str, topic: int, mark: Mark, within_seconds: int, _limit: int
    ) -> tuple[list[Mark], list[Mark]]:
        self.asked.add(MarksAround(tenant, self._topics[topic], mark[0], within_seconds))
        return [], []

    def deferred(self, tenant: str, check: str, subject: str) -> list[DeferredCheck]:
        self.asked.add(DeferredOf(tenant, check, subject))
        return []

    def secret_topic(self, *parts: str) -> int:
        topic = len(self._topics)
        self._topics[topic] = self._secrets[secret_key(topic)] = parts
        return topic

    def save(self, tenant: str, kind: str, key: str, state: bytes, keep_until: int) -> None:
        """Nothing is kept."""

    def mark(self, tenant: str, topic: int, mark: Mark, keep_until: int) -> None:
        """Nothing is kept."""

    def defer(self, deferred: DeferredCheck) -> None:
        """Nothing is kept."""

    def report(self, finding: Finding) -> None:
        """Nothing is kept."""

    def change(self, tenant: str, changes: Sequence[Change]) -> None:
        """Nothing is kept."""


def told() -> Iterator[bytes]:
    """Bodies of every kind that the simulated shops send, anomalies included."""
    everything: list[dict[str, Any]] = []
    for seed in (5, 6):
        shop = Shop("shop", seed=seed, started_at=START)
        everything += [one for second in range(400) for one in shop.next(START + second)]
    for name in anomalies.names():
        everything += anomalies.play(name, "shop", START)
    for delivery in deliveries("shop", everything)[0]:
        yield delivery.body


@pytest.mark.parametrize("basis", BASES)
def test_a_work_reads_of_empty_tables_only_what_it_has_declared(basis: str) -> None:
    tenant, seen = books.tenant(revenue_basis=basis), set[type]()
    for now in (START, START + LATE_SECONDS):
        for body in told():
            intake, tables = ingest.read(body, tenant, now), EmptyTables()
            intake.work(tables)  # type: ignore[arg-type]
            declared = set(intake.work.reads())
            assert tables.asked <= declared, f"not declared, for {body[:80]!r}: {tables.asked - declared}"
            seen.update(type(read) for read in declared)
    assert seen == {EventId, StatesOf, SecretStatesOf, MarksAround, DeferredOf}


def test_ordinary_events_are_read_for_in_one_statement_each(postgres: PostgresServer) -> None:
    tenant, shop, asked = books.tenant(), Shop("shop", seed=2, started_at=START), list[str]()
    with closing(open_store(postgres.new_store())) as store:
        assert isinstance(store, PostgresStore)
        store.register([tenant.id], START)
        connection = store._writer.connection()
        execute = connection.execute

        def counted(query: Any, *args: Any, **kwargs: Any) -> Any:
            asked.append(" ".join(str(query).split()))
            return execute(query, *args, **kwargs)

        connection.execute = counted  # type: ignore[method-assign]
        received = 0
        for second in range(60):
            for delivery in deliveries("shop", shop.next(START + second))[0]:
                ingest.receive(delivery.body, tenant, store, START + second)
                received += 1
    read = [
        query for query in asked if query.startswith("SELECT") and not query.startswith("SELECT 0, number")
    ]
    assert received > 200
    assert not read
    assert sum(query.startswith("SELECT 0, number") for query in asked) == received
