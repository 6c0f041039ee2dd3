from __future__ import annotations

from collections.abc import Iterator

import pytest

from bw_rules.verify import tools

from .monitored import Monitored, monitored


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitored]:
    if None in (tools.find("prometheus"), tools.find("promtool")):
        pytest.skip(
            "prometheus and promtool are neither on PATH nor in .tools/bin; `make tools` fetches them"
        )
    with monitored(tmp_path_factory.mktemp("endtoend")) as found:
        yield found
