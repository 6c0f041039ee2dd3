"""A real PostgreSQL that asks for the password of the examples, and exporters that are given it in a file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bw_exporter.errors import StoreUnusableError
from bw_exporter.store import open_store
from support.postgres import QUICK, NoPostgresError, running
from support.processes import free_ports

from .compose_file import ROOT, Container, load
from .manifest_links import probes
from .manifests import build, moving, on_postgres
from .pod_files import Pod, status

PASSWORD_FILE = ROOT / "deploy/example/secrets/postgres/password"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """The TCP port of a server that lets `billingwatch` in by the password of the example alone."""
    (number,) = free_ports(1)
    try:
        with running(QUICK, port=number) as server:
            hba = "local all postgres trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
            (server.data / "pg_hba.conf").write_text(hba)
            server.sql("SELECT pg_reload_conf()")
            server.sql(f"CREATE ROLE billingwatch LOGIN PASSWORD '{PASSWORD_FILE.read_text().strip()}'")
            server.sql("CREATE DATABASE billingwatch OWNER billingwatch")
            server.sql("CREATE DATABASE moved OWNER billingwatch")
            yield number
    except NoPostgresError as error:
        pytest.skip(str(error))


def led_to(port: int, file: Path, **others: str) -> None:
    """Change where the service file leads, and nothing else of it but what `others` say."""
    text = file.read_text()
    for key, value in {"host": "127.0.0.1", "port": str(port), **others}.items():
        text, found = re.subn(rf"(?m)^{key}=.*", f"{key}={value}", text)
        assert found == 1, key
    file.write_text(text)


@pytest.fixture
def compose_exporter(port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The service file of compose's exporter, led to the server; libpq knows of it as in the container."""
    service: dict[str, Any] = load({})["services"]["exporter"]
    (tmp_path / "volumes").mkdir()
    container = Container.lay_out(service, tmp_path / "exporter", tmp_path / "volumes")
    file = Path(container.local(service["environment"]["PGSERVICEFILE"]))
    led_to(port, file)
    monkeypatch.setenv("PGSERVICEFILE", str(file))
    return file


def test_composes_exporter_opens_its_store_with_the_password_of_the_service_file(
    compose_exporter: Path,
) -> None:
    store = open_store("postgresql:///?service=billingwatch")
    try:
        store.register(["shop"], 1)
        assert store.samples("shop")
    finally:
        store.close()


def test_another_password_is_refused_and_not_told(compose_exporter: Path, port: int) -> None:
    led_to(port, compose_exporter, password="another-one")
    with pytest.raises(StoreUnusableError, match="password authentication failed") as refused:
        open_store("postgresql:///?service=billingwatch")
    assert "another-one" not in str(refused.value)


def test_the_pod_of_kubernetes_serves_from_postgres_with_the_password_of_its_secret(
    port: int, tmp_path: Path
) -> None:
    manifests = build(on_postgres(tmp_path / "kubernetes"))
    pod = Pod.lay_out(manifests, tmp_path / "pod")
    led_to(port, Path(pod.environment["PGSERVICEFILE"]), sslmode="disable")
    with pod.running() as (_, private):
        for name, probe in probes(manifests.container).items():
            assert status(f"{private}{probe['httpGet']['path']}") == 200, name


def test_the_job_moves_what_sqlite_had_counted_to_postgres(
    port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pod = Pod.lay_out(build(moving(tmp_path / "kubernetes")), tmp_path / "pod", "Job")
    before = open_store(f"sqlite:///{pod.path('/data/billingwatch.db')}")
    before.register(["moved"], 1)
    counted = before.samples("moved")
    before.close()
    service_file = pod.environment["PGSERVICEFILE"]
    led_to(port, Path(service_file), sslmode="disable", dbname="moved")
    assert "equal" in pod.run()
    monkeypatch.setenv("PGSERVICEFILE", service_file)
    after = open_store(pod.args[-1])
    try:
        assert after.samples("moved") == counted
    finally:
        after.close()


def test_the_image_has_the_driver() -> None:
    assert re.search(r"(?m)^psycopg-binary==", (ROOT / "requirements/runtime.lock").read_text())
    assert "--requirement requirements/runtime.lock" in (ROOT / "Dockerfile").read_text()
