from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bw_exporter.config import tenants
from bw_exporter.errors import ConfigError
from bw_rules.detectors import THRESHOLDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bw_exporter.config.tenants import Tenants


@pytest.fixture
def config(tmp_path: Path) -> Callable[..., Tenants]:
    """Return a function that loads a tenants.yaml from its text."""

    def load(text: str, *, read_secrets: bool = True, **environ: str) -> Tenants:
        file = tmp_path / "tenants.yaml"
        file.write_text(text)
        return tenants.load(str(file), detectors=THRESHOLDS, read_secrets=read_secrets, environ=environ)

    return load


@pytest.fixture
def mistakes(config: Callable[..., Tenants]) -> Callable[..., list[str]]:
    """Return a function that gives the lines a bad tenants.yaml is refused with, without the file's name."""

    def lines(text: str, **environ: str) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            config(text, **environ)
        return [str(problem) for problem in caught.value.problems]

    return lines
