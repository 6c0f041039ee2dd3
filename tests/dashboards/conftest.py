from __future__ import annotations

from collections.abc import Iterator

import pytest

from .past_prometheus import Past, lived_through


@pytest.fixture(scope="session")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    """A Prometheus that remembers eight days of three shops and their alerts."""
    with lived_through(tmp_path_factory.mktemp("past")) as found:
        yield found
