from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support import postgres as postgres_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


_LONG = ("pipeline", "replicas", "house", "endtoend")
"""Folders whose tests mostly wait: begun first, so that none of them is left alone at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    root = Path(__file__).parent
    first = {folder: place for place, folder in enumerate(_LONG)}
    items.sort(key=lambda item: first.get(item.path.relative_to(root).parts[0], len(_LONG)))


@pytest.fixture(scope="session")
def postgres() -> Iterator[postgres_server.PostgresServer]:
    """A PostgreSQL for all tests of this process that leave it running; each makes stores of its own in it."""
    try:
        with postgres_server.running(postgres_server.QUICK) as server:
            yield server
    except postgres_server.NoPostgresError as error:
        pytest.skip(f"no PostgreSQL: {error}")


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Tell what a test measured: the run's last lines say it."""
    return lambda text: record_property("figure", text)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    told = [
        (report.nodeid.rpartition("::")[2], value)
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, ())
        if report.when == "call"
        for name, value in report.user_properties
        if name == "figure"
    ]
    if told:
        terminalreporter.section("figures")
    for test, text in sorted(told):
        terminalreporter.write_line(f"{test}: {text}")


@pytest.fixture(autouse=True)
def logging_is_left_as_it_was() -> Iterator[None]:
    """Commands run in this process configure the logging of all of it."""
    loggers = [logging.getLogger(name) for name in (None, "gunicorn", "py.warnings")]
    before = [(each, each.level, each.handlers[:], each.propagate) for each in loggers]
    yield
    logging.captureWarnings(capture=False)
    for logger, level, handlers, propagate in before:
        logger.setLevel(level)
        logger.handlers[:] = handlers
        logger.propagate = propagate
