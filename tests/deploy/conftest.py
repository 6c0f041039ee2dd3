from __future__ import annotations

from typing import Any

import pytest

from .checkers import run
from .compose_file import Container, load


@pytest.fixture(scope="session")
def compose() -> dict[str, Any]:
    return load({})


@pytest.fixture(scope="session")
def services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = compose["services"]
    return found


@pytest.fixture(scope="session")
def containers(
    services: dict[str, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Container]:
    """Every service's files, after the service `rules` has run."""
    folder = tmp_path_factory.mktemp("compose")
    volumes = folder / "volumes"
    volumes.mkdir()
    laid_out = {
        name: Container.lay_out(service, folder / name, volumes) for name, service in services.items()
    }
    rules, container = services["rules"], laid_out["rules"]
    run(container, [*rules["entrypoint"], *rules["command"]], rules["environment"])
    return laid_out
