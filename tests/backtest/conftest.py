from __future__ import annotations

import pytest

from bw_rules.verify import tools


@pytest.fixture(autouse=True)
def _needs_prometheus(request: pytest.FixtureRequest) -> None:
    if None in (tools.find("prometheus"), tools.find("promtool")):
        pytest.skip("prometheus and promtool are neither on PATH nor in .tools/bin; run make tools")
