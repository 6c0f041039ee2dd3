from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from board_files import ROOT

sys.path.insert(0, str(ROOT / "dashboards"))

from past_prometheus import Past, lived_through


@pytest.fixture(scope="session")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    """A Prometheus that remembers eight days of three shops and their alerts."""
    with lived_through(tmp_path_factory.mktemp("past")) as found:
        yield found
