from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from bw_exporter.command_line import options
from support.exporter import eventually
from support.patience import limit

if TYPE_CHECKING:
    from support.exporter import Start

ROOT = Path(__file__).parents[2]


def instructions() -> list[tuple[str, str]]:
    """Return (instruction, argument) in order; continued lines are joined and comments left out."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [
        (name, argument)
        for line in joined.splitlines()
        if line
        for name, _, argument in [line.partition(" ")]
    ]


def last(name: str) -> str:
    return [argument for instruction, argument in instructions() if instruction == name][-1]


def environment() -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in shlex.split(last("ENV")))


def test_everything_the_image_is_made_of_exists_and_reaches_the_build():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    kept = [line[1:] for line in ignored if line.startswith("!")]
    for name, argument in instructions():
        if name == "COPY" and "--from" not in argument:
            for source in argument.split()[:-1]:
                assert (ROOT / source).exists(), source
                assert any(
                    fnmatch(source, pattern) or source.startswith(f"{pattern}/") for pattern in kept
                ), source


def test_every_package_is_pinned_by_its_hash():
    installs = [
        part
        for name, argument in instructions()
        if name == "RUN"
        for part in argument.split("&&")
        if "pip" in part
    ]
    assert installs
    for install in installs:
        assert "--require-hashes" in install or "--no-deps" in install or "venv" in install


def test_it_runs_as_a_numbered_user_and_keeps_its_data_in_a_volume():
    assert last("USER").split(":")[0].isdigit()
    assert last("USER") != "0"
    assert last("VOLUME") == "/data"
    assert environment()["BW_STORAGE_URL"] == "sqlite:////data/billingwatch.db"


def test_the_command_is_the_process_itself_so_that_it_gets_the_signals():
    assert json.loads(last("ENTRYPOINT")) == ["bw-exporter"]
    assert json.loads(last("CMD")) == ["serve"]


def test_its_variables_are_ones_the_command_reads(tmp_path: Path):
    told = subprocess.run(
        [sys.executable, "-m", "bw_exporter", "serve", "--help"], capture_output=True, text=True, check=True
    ).stdout
    for name, value in environment().items():
        if name.startswith("BW_"):
            assert name in told
        if name.endswith("ADDRESS"):
            assert options.address(value)[0] == "0.0.0.0"


def healthy(address: str) -> int:
    command = json.loads(last("HEALTHCHECK").partition("CMD ")[2])
    assert command[0] == "python"
    environ = {**os.environ, "BW_WEB_METRICS_ADDRESS": address}
    return subprocess.run(
        [sys.executable, *command[1:]], env=environ, check=False, timeout=limit(30)
    ).returncode


def test_its_health_check_tells_an_exporter_that_serves_from_one_that_does_not(start: Start):
    exporter = start()
    assert healthy(f"0.0.0.0:{exporter.private}") == 0
    exporter.store.rename(exporter.store.with_suffix(".away"))
    eventually(lambda: healthy(f"127.0.0.1:{exporter.private}") == 1)
    exporter.stop()
    assert healthy(f"127.0.0.1:{exporter.private}") == 1
