from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bw_rules.backtest import server
from bw_rules.cli import main
from bw_rules.verify import tools

from . import a_day


@pytest.fixture(autouse=True)
def _needs_prometheus(request: pytest.FixtureRequest) -> None:
    if None in (tools.find("prometheus"), tools.find("promtool")):
        pytest.skip("prometheus and promtool are neither on PATH nor in .tools/bin; run make tools")


@pytest.fixture
def config(tmp_path: Path) -> str:
    file = tmp_path / "tenants.yaml"
    file.write_text(a_day.TENANTS)
    return str(file)


@pytest.fixture(scope="session")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Prometheus that remembers `a_day`."""
    if None in (tools.find("prometheus"), tools.find("promtool")):
        pytest.skip("prometheus and promtool are neither on PATH nor in .tools/bin; run make tools")
    folder = tmp_path_factory.mktemp("remembered")
    past, rules = folder / "past.om", folder / "rules.yml"
    past.write_text(a_day.openmetrics())
    rules.write_text("groups: [{name: a, rules: [{record: ups, expr: up}]}]\n")
    assert main(["record", "--rules", str(rules), "--past", str(past), "--output", str(folder / "data")]) == 0
    with server.answering(folder / "data") as url:
        yield url
