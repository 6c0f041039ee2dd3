"""A store behind PgBouncer: its connections are shared, and the counts are the same."""

from __future__ import annotations

import time
from contextlib import closing

import pytest

from bw_exporter.errors import StoreUnavailableError, StoreUnusableError
from bw_exporter.store import open_store
from bw_exporter.store.postgres.store import PostgresStore
from chaos import same_moment
from support.patience import limit
from support.postgres import PostgresServer

from .counts import add, value
from .pooler import Pooling, pooled

SOON = limit(60)


def empty(server: PostgresServer, through: str) -> str:
    """Return the URL of a database of its own, since a pooler passes on no search path."""
    name = f"pooled_{time.monotonic_ns()}"
    server.sql(f"CREATE DATABASE {name}")
    return f"{through}/{name}"


@pytest.mark.parametrize(("pooling", "size"), [("session", 20), ("transaction", 2)])
def test_replicas_that_share_a_poolers_connections_count_each_event_once(
    own: PostgresServer, pooling: Pooling, size: int
) -> None:
    with pooled(own, pooling, size) as through:
        outcome = same_moment.run(empty(own, through), 300)
    assert outcome.exact, outcome


def test_nothing_is_prepared_in_a_session_that_the_next_transaction_of_another_may_have(
    own: PostgresServer,
) -> None:
    with pooled(own, "transaction", 1) as through:
        url = empty(own, through)
        with closing(PostgresStore(url)) as store:
            for _ in range(20):
                store.write(add("shop"))
                store.samples("shop")
            assert own.sql("SELECT name FROM pg_prepared_statements", url) == []
            assert value(store, "shop") == 20


def test_a_server_that_ends_behind_a_pooler_is_used_again_without_a_restart(own: PostgresServer) -> None:
    with (
        pooled(own, "transaction", 5, wait_seconds=3) as through,
        closing(open_store(empty(own, through))) as store,
    ):
        store.write(add("shop"))
        own.kill()
        with pytest.raises(StoreUnavailableError):
            store.write(add("shop"))
        own.start()
        until = time.monotonic() + SOON
        while True:
            try:
                store.write(add("shop"))
                break
            except StoreUnavailableError:
                assert time.monotonic() < until
                time.sleep(0.1)
        assert value(store, "shop") == 2


def test_a_setting_in_the_url_that_a_pooler_refuses_is_refused_with_the_way_out(own: PostgresServer) -> None:
    with (
        pooled(own, "transaction", 5) as through,
        pytest.raises(StoreUnusableError, match=r"unsupported startup parameter.*ALTER ROLE"),
    ):
        open_store(f"{through}/postgres?options=-csearch_path%3Dbilling")


def test_a_pooler_that_takes_transactions_apart_is_refused_with_the_way_out(own: PostgresServer) -> None:
    with (
        pooled(own, "statement", 5) as through,
        pytest.raises(StoreUnusableError, match="set its pool_mode to transaction or session"),
    ):
        open_store(f"{through}/postgres")
