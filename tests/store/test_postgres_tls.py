"""PostgreSQL over TLS: only the server that was meant is spoken to, and nobody is told the password."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bw_exporter.errors import StoreUnusableError
from bw_exporter.store.postgres.store import PostgresStore
from bw_simulator.sender import Connection, sign
from bw_simulator.shop import objects
from bw_simulator.shop.events import body, event
from bw_simulator.shop.ids import Ids
from chaos.kill9 import SECRET, Exporter
from support.patience import limit
from support.postgres import QUICK, NoPostgresError, PostgresServer
from support.processes import free_ports

from .certificates import Authority
from .counts import add, value

HOST = "db.example.com"
PASSWORD = "hunter2-of-the-store"
SOON = limit(60)

OURS, THEIRS = Authority("our CA"), Authority("their CA")


class SecuredServer(PostgresServer):
    """Lets nobody in from the network but over TLS and with a password."""

    def __init__(self) -> None:
        (port,) = free_ports(1)
        settings = (*QUICK, "ssl=on", "ssl_cert_file=../server.pem", "ssl_key_file=../server.key")
        super().__init__(settings, port=port, tls=True)
        (self.data / "pg_hba.conf").write_text(
            "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n"
        )
        self.identify(OURS, HOST)

    def identify(self, authority: Authority, host: str) -> None:
        """Have another certificate from the next connection on."""
        for name, content in zip(("server.pem", "server.key"), authority.server(host), strict=True):
            path = self.folder / name
            path.write_bytes(content)
            path.chmod(0o600)
            os.chown(path, self.data.stat().st_uid, self.data.stat().st_gid)
        if self.running:
            self.sql("SELECT pg_reload_conf()")

    def secured(self, authority: Path, *, host: str = HOST, password: str = f":{PASSWORD}") -> str:
        """Return its URL over the network."""
        return (
            f"postgresql://billing{password}@{host}:{self.port}/billing"
            f"?hostaddr=127.0.0.1&sslmode=verify-full&sslrootcert={authority}"
        )


@pytest.fixture(scope="module")
def secured() -> Iterator[SecuredServer]:
    try:
        server = SecuredServer()
    except NoPostgresError as error:
        pytest.skip(f"no PostgreSQL with TLS: {error}")
    try:
        server.start()
        server.sql(f"CREATE ROLE billing LOGIN PASSWORD '{PASSWORD}'")
        server.sql("CREATE DATABASE billing OWNER billing")
        yield server
    finally:
        server.remove()


@pytest.fixture
def trusted(tmp_path: Path) -> Path:
    """The file of the CAs that the exporter trusts."""
    path = tmp_path / "ca.pem"
    path.write_bytes(OURS.certificate)
    return path


def test_a_server_of_the_right_name_and_ca_is_spoken_to_over_tls(
    secured: SecuredServer, trusted: Path
) -> None:
    with closing(PostgresStore(secured.secured(trusted))) as store:
        before = value(store, "shop")
        store.write(add("shop"))
        assert value(store, "shop") == before + 1
        used = secured.sql(
            "SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'billing'"
        )
    assert used == [(True,)]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("ca", r"certificate verify failed; let sslrootcert name the CA"),
        (
            "host",
            r'does not match host name "other\.example\.com"; let sslrootcert .* write the host as it does',
        ),
        ("file", r"root certificate file .* does not exist .*let sslrootcert name the CA"),
        ("password", r"password authentication failed .*PGPASSWORD or PGPASSFILE"),
    ],
)
def test_a_server_that_is_not_the_one_that_was_meant_is_refused_with_the_way_out_and_no_secret(
    secured: SecuredServer, trusted: Path, wrong: str, said: str
) -> None:
    url = secured.secured(trusted)
    if wrong == "ca":
        trusted.write_bytes(THEIRS.certificate)
    elif wrong == "host":
        url = secured.secured(trusted, host="other.example.com")
    elif wrong == "file":
        trusted.unlink()
    else:
        url = url.replace(PASSWORD, f"{PASSWORD}-of-yesterday")
    with pytest.raises(StoreUnusableError, match=said) as refused:
        PostgresStore(url)
    assert PASSWORD not in str(refused.value)


def test_a_server_without_tls_is_refused_with_the_way_out(trusted: Path) -> None:
    (port,) = free_ports(1)
    try:
        server = PostgresServer(QUICK, port=port)
    except NoPostgresError as error:
        pytest.skip(f"no PostgreSQL: {error}")
    try:
        server.start()
        url = f"postgresql://postgres@localhost:{port}/postgres?hostaddr=127.0.0.1"
        with pytest.raises(StoreUnusableError, match=r"does not support SSL.*let the server have ssl = on"):
            PostgresStore(f"{url}&sslmode=verify-full&sslrootcert={trusted}")
    finally:
        server.remove()


def test_a_replaced_certificate_is_503_while_nobody_trusts_it_and_needs_no_restart(
    secured: SecuredServer, trusted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    ids = Ids("tls")

    def answered(port: int) -> int:
        now = int(time.time())
        charge = objects.charge(ids, created_at=now, amount=100, customer=ids.new("cus"))
        payload = body(event(ids, "charge.succeeded", charge, created_at=now))
        with Connection(f"http://127.0.0.1:{port}", timeout_seconds=30) as connection:
            return connection.post("/webhooks/north", payload, sign(payload, SECRET, now)).status

    def becomes(port: int, status: int) -> None:
        until = time.monotonic() + SOON
        while answered(port) != status:
            assert time.monotonic() < until
            time.sleep(0.05)

    def connect_anew() -> None:
        secured.sql("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE usename = 'billing'")

    exporter = Exporter(tmp_path, 1, secured.secured(trusted, password=""))
    try:
        exporter.wait_until_ready()
        assert answered(exporter.port) == 200
        for authority, status in ((THEIRS, 503), (OURS, 200)):
            secured.identify(authority, HOST)
            connect_anew()
            becomes(exporter.port, status)
        assert exporter.process.poll() is None
        said = exporter.log.read_text()
        assert "certificate verify failed" in said
        assert PASSWORD not in said
    finally:
        exporter.stop()
        secured.identify(OURS, HOST)
