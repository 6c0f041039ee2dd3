from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bw_exporter import cli

from .a_monday import END_AT

TENANTS = """\
tenants:
  books: {webhook_secret: whsec_books}
  coffee: {webhook_secret: whsec_coffee, mode: test}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "tenants.yaml"
    path.write_text(TENANTS)
    return path


@pytest.fixture
def simulate(config: Path, tmp_path: Path) -> Callable[..., Path]:
    """Write a past of two tenants with these flags; return its file."""

    def run(*flags: str, name: str = "past") -> Path:
        output = tmp_path / f"{name}.om"
        words = ["simulate", "--config.file", str(config), "--end", str(END_AT), "--output", str(output)]
        assert cli.main([*words, "--quiet", *flags]) == 0
        return output

    return run
