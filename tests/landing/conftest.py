from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .chromium import MISSING, Chromium, installed
from .site_in_process import Site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Callable[[str], Site]]:
    """Make the private application of a tenants.yaml, with a store and a clock of its own."""
    made = []

    def make(config: str) -> Site:
        made.append(Site(tmp_path, config))
        return made[-1]

    yield make
    for each in made:
        each.store.close()


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    program = installed()
    if program is None:
        pytest.skip(MISSING)
    with Chromium(program, tmp_path_factory.mktemp("chromium")) as running:
        yield running
