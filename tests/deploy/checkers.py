"""The programs that know whether a service's configuration is right, run on the files it would see."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bw_rules.verify import tools

from .compose_file import Container, image_environment


def tool(name: str) -> str:
    path = tools.find(name)
    if path is None:
        pytest.skip(f"{name} is neither on PATH nor in .tools/bin; `make tools` fetches what it can")
    return path


def run(container: Container, command: list[str], environment: dict[str, str] | None = None) -> str:
    """Run the very words of a service, on its files, with the image's environment; return what it said."""
    environ = {key: value for key, value in image_environment().items() if key.startswith("BW_")}
    environ |= environment or {}
    done = subprocess.run(
        [container.local(word) for word in command],
        env={
            **os.environ,
            **{key: container.local(value) for key, value in environ.items()},
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said
