from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bw_exporter.config import tenants
from bw_rules.detectors import THRESHOLDS
from bw_rules.verify import tools

if TYPE_CHECKING:
    from collections.abc import Callable

    from bw_exporter.config.tenants import Tenants

ROOT = Path(__file__).resolve().parents[2]


def _tool(name: str) -> str:
    path = tools.find(name)
    if path is None:
        pytest.skip(f"{name} is neither on PATH nor in .tools/bin; `make tools` fetches it where it can")
    return path


@pytest.fixture(scope="session")
def promtool() -> str:
    return _tool("promtool")


@pytest.fixture(scope="session")
def amtool() -> str:
    return _tool("amtool")


@pytest.fixture(scope="session")
def kubectl() -> str:
    path = shutil.which("kubectl", path=Path(sys.executable).parent) or shutil.which("kubectl")
    if path is None:
        pytest.skip("kubectl is neither in the environment (PyPI has it for Linux) nor on PATH")
    return path


@pytest.fixture
def config_file(tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that writes a tenants.yaml; the tenants of the text need no secret."""

    def write(text: str) -> Path:
        file = tmp_path / "tenants.yaml"
        file.write_text(text)
        return file

    return write


@pytest.fixture
def config(config_file: Callable[[str], Path]) -> Callable[[str], Tenants]:
    """Return a function that loads a tenants.yaml from its text, as bw-rules does."""

    def load(text: str) -> Tenants:
        return tenants.load(str(config_file(text)), detectors=THRESHOLDS, read_secrets=False)

    return load


@pytest.fixture(scope="session")
def example() -> Tenants:
    return tenants.load(str(ROOT / "rules/tenants.example.yaml"), detectors=THRESHOLDS, read_secrets=False)
