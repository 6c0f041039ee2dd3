"""Opening a PostgreSQL store, keeping its password to itself, and sharing the house-keeping."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bw_exporter import cli
from bw_exporter.effects import forgotten
from bw_exporter.errors import StoreUnusableError
from bw_exporter.store import Store, open_store
from bw_exporter.store.declared import DeclaredWork, DeferredOf, EventId, MarksAround, Read, StatesOf
from bw_exporter.store.postgres.schema import LATEST
from bw_exporter.store.postgres.store import PostgresStore
from bw_exporter.store.postgres.url import has_password, shown
from support.patience import limit
from support.postgres import PostgresServer

from .counts import NOW, add, value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bw_exporter.store import Transaction

SECRET = "hunter2"


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://billing:{SECRET}@db.example.com:5432/billing?sslmode=verify-full",
        f"postgresql://billing@db.example.com:5432/billing?password={SECRET}",
        f"postgres://billing:{SECRET}@db.example.com:5432/billing",
    ],
)
def test_a_store_is_named_without_its_password(url: str) -> None:
    assert has_password(url)
    assert shown(url) == "postgresql://billing@db.example.com:5432/billing"


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://billing:{SECRET}/more@db/billing",
        f"postgresql://billing:a@{SECRET}@db/billing",
        f"postgresql://billing:a?{SECRET}@db/billing",
        f"postgresql://{SECRET}:not-a-port/billing",
    ],
)
def test_a_url_that_cannot_be_read_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(StoreUnusableError, match="percent-encoded") as refused:
        open_store(url)
    assert SECRET not in str(refused.value)


def test_a_password_that_may_be_one_is_taken_for_one() -> None:
    assert has_password("postgresql://billing:a@b@db/billing")
    assert not has_password("postgresql:///billing?host=/run/postgresql")
    assert not has_password("postgresql://billing@[::1]:5432,other.example.com/billing")
    assert not has_password("sqlite:////data/a:b@c.db")


def test_a_password_on_the_command_line_is_refused_as_every_user_could_read_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"postgresql://billing:{SECRET}@127.0.0.1:1/billing"
    for words in (["findings", "--storage.url", url], ["migrate-store", url, "sqlite:///x.db"]):
        assert cli.main(words) == 2
        said = capsys.readouterr().err
        assert "the password in a PGPASSFILE or PGPASSWORD" in said
        assert SECRET not in said
    monkeypatch.setenv("BW_STORAGE_URL", url)
    assert cli.main(["findings"]) == 1
    said = capsys.readouterr().err
    assert "cannot open the store postgresql://billing@127.0.0.1:1/billing" in said
    assert SECRET not in said


def test_without_the_driver_the_way_to_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("bw_exporter.store.postgres")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreUnusableError, match=r"pip install '\.\[postgres\]'"):
        open_store("postgresql://db/billing")


def test_the_driver_is_loaded_for_postgresql_alone(tmp_path: Path) -> None:
    script = (
        "import sys; from bw_exporter.serving import start; from bw_exporter.store import open_store\n"
        "open_store('sqlite:///here.db').close()\n"
        "assert 'psycopg' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=limit(60), cwd=tmp_path)


def test_a_newer_schema_is_refused_with_the_way_out(postgres: PostgresServer) -> None:
    url = postgres.new_store()
    open_store(url).close()
    postgres.sql(f"UPDATE bw_meta SET value = '{LATEST + 1}' WHERE name = 'schema'", url)
    with pytest.raises(
        StoreUnusableError, match=f"has schema {LATEST + 1}, this version knows {LATEST}: upgrade"
    ):
        open_store(url)


def test_a_role_that_may_not_make_tables_is_refused_with_the_way_out(postgres: PostgresServer) -> None:
    url = postgres.new_store()
    postgres.sql("CREATE ROLE stranger LOGIN")
    postgres.sql(f"GRANT USAGE ON SCHEMA {url.rpartition('%3D')[2]} TO stranger")
    with pytest.raises(StoreUnusableError, match=r"permission denied for schema .*let it own its schema"):
        open_store(url.replace("postgres@", "stranger@"))


def test_a_database_that_is_not_there_is_refused_with_the_way_out(postgres: PostgresServer) -> None:
    url = postgres.url().replace("/postgres?", "/missing?")
    with pytest.raises(StoreUnusableError, match=r'database "missing" does not exist; is the server there'):
        open_store(url)


def test_a_server_that_is_not_there_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(StoreUnusableError, match=r"cannot open the store .*PGPASSWORD or PGPASSFILE"):
        open_store(f"postgresql:///billing?host={tmp_path}")


def test_counts_are_on_disk_when_acknowledged_whatever_the_role_was_set_to(postgres: PostgresServer) -> None:
    url = postgres.new_store()
    careless = url.replace("options=", "options=-csynchronous_commit%3Doff%20")
    store = open_store(careless)
    assert isinstance(store, PostgresStore)
    found = store._do(lambda _tx: store._writer.connection().execute("SHOW synchronous_commit").fetchone())
    assert found == ("on",)
    store.close()


def test_nothing_is_read_from_a_moment_before_the_lock_whatever_the_database_was_set_to(
    postgres: PostgresServer,
) -> None:
    """A transaction that sees the tables as they were at its first statement would miss what others counted."""
    url = postgres.new_store()
    strict = url.replace("options=", "options=-cdefault_transaction_isolation%3Drepeatable%5C%20read%20")
    with closing(open_store(strict)) as store:
        assert isinstance(store, PostgresStore)
        query = "SHOW transaction_isolation"
        assert store._do(lambda _tx: store._writer.connection().execute(query).fetchone()) == (
            "read committed",
        )
        store.write(add("shop"))
        assert value(store, "shop") == 1


def test_one_replica_keeps_house_and_another_when_it_is_gone(postgres: PostgresServer) -> None:
    url = postgres.new_store()
    stores: list[Store] = [open_store(url), open_store(url)]
    first, second = stores

    def old(number: int) -> None:
        first.write(lambda tx: tx.remember_event(number, "shop", "evt_old"))

    old(1)
    assert (first.prune(NOW, 10, forgotten), second.prune(NOW, 10, forgotten)) == (1, 0)
    old(2)
    assert second.prune(NOW, 10, forgotten) == 0, "the first still keeps house"
    first.close()
    assert second.prune(NOW, 10, forgotten) == 1, "it gave the lease back"
    first = open_store(url)
    old(3)
    assert first.prune(NOW, 10, forgotten) == 0
    postgres.sql("UPDATE bw_leases SET until_at = until_at - 3600", url)
    assert first.prune(NOW, 10, forgotten) == 1, "the second was killed, and its lease has ended"
    first.close()
    second.close()


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_of_another_encoding_is_refused_with_what_to_do(
    postgres: PostgresServer, encoding: str
) -> None:
    name = encoding.lower()
    postgres.sql(
        f"CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0 LOCALE_PROVIDER libc LOCALE 'C'"
    )
    url = postgres.url().replace("/postgres?", f"/{name}?")
    with pytest.raises(StoreUnusableError, match=f"has the encoding {encoding}.*CREATE DATABASE") as refused:
        open_store(url)
    assert "UTF8" in str(refused.value)
    assert not postgres.sql("SELECT 1 FROM pg_tables WHERE tablename LIKE 'bw%'", url), (
        "nothing is left behind"
    )


def test_a_client_encoding_of_the_environment_changes_nothing(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "SQL_ASCII")
    with closing(open_store(postgres.new_store())) as store:
        store.register(["shop"], NOW)
        store.write(add("shop"))
        assert value(store, "shop") == 1


@pytest.mark.parametrize("tenant", ["\0", "shop\0", "\ud800"])
def test_a_tenant_that_no_database_can_hold_has_nothing(postgres: PostgresServer, tenant: str) -> None:
    with closing(open_store(postgres.new_store())) as store:
        store.register(["shop"], NOW)
        assert store.findings(tenant=tenant, since_at=0, limit=9) == []
        assert store.samples(tenant) == {}
        assert store.above_zero([1], [tenant, "shop"]) == []


def test_a_group_costs_three_round_trips_however_large(postgres: PostgresServer) -> None:
    url = postgres.new_store()
    with closing(open_store(url)) as store:
        assert isinstance(store, PostgresStore)

        def run(tx: Transaction) -> None:
            for number in range(50):
                tx.remember_event(NOW, "shop", f"evt_{number}")
                tx.load("shop", "charge", f"ch_{number}")
                tx.marks_around("shop", tx.secret_topic(f"payer {number}"), (NOW, "ch"), 300, 9)
                tx.deferred("shop", "invoice_mismatch", f"sub_{number}")

        def reads() -> Iterator[Read]:
            for number in range(50):
                yield EventId(NOW, "shop", f"evt_{number}")
                yield StatesOf("shop", f"ch_{number}")
                yield MarksAround("shop", (f"payer {number}",), NOW, 300)
                yield DeferredOf("shop", "invoice_mismatch", f"sub_{number}")

        work = DeclaredWork(run, reads)
        store.write(work)
        asked: list[str] = []
        connection = store._writer.connection()
        execute = connection.execute

        def counted(query: Any, *args: Any, **kwargs: Any) -> Any:
            asked.append(" ".join(str(query).split()))
            return execute(query, *args, **kwargs)

        connection.execute = counted  # type: ignore[method-assign]
        store.write(work)
    lock, read, *written = asked
    assert lock.endswith("FOR UPDATE")
    assert read.startswith("SELECT 0, number")
    assert written == ["SET LOCAL statement_timeout = 0", "COMMIT"]
