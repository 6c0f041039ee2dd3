"""Fixtures that start exporters; a conftest imports those its tests want."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from support.exporter import ONE_TENANT, RunningExporter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., RunningExporter]]:
    """Start exporters in the test's own folder; a second one shares the store and the configuration."""
    with ExitStack() as running:

        def started(config: str = ONE_TENANT, *flags: str, **options: object) -> RunningExporter:
            return running.enter_context(RunningExporter(tmp_path, config, *flags, **options)).ready()

        yield started


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningExporter]:
    """One exporter for the tests of a file that leave it as it was."""
    with RunningExporter(
        tmp_path_factory.mktemp("exporter"), ONE_TENANT, "--web.request-timeout", "1s"
    ) as one:
        yield one.ready()
