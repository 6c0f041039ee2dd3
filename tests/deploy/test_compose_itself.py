"""Docker Compose's own program reads the file: it needs no engine for that, nor to refuse a mistaken command."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from .compose_file import ROOT, load, mounts

OTHERS = {
    "BILLINGWATCH_HOME": "/etc/billingwatch",
    "BILLINGWATCH_WEBHOOK_PORT": "127.0.0.1:8000",
    "BILLINGWATCH_STORAGE_URL": "postgresql:///?service=billingwatch",
    "BILLINGWATCH_DOMAIN": "billing.example.com",
}
PAGE = (ROOT / "docs" / "compose.md").read_text()
SHELL = "\n".join(re.findall(r"(?ms)^```sh\n(.*?)^```", PAGE)).replace("\\\n", " ")
COMMANDS = [
    line.partition("#")[0].strip() for line in SHELL.splitlines() if line.startswith("docker compose ")
]


def compose(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("docker-compose", path=Path(sys.executable).parent) or shutil.which(
        "docker-compose"
    )
    if program is None:
        pytest.skip("docker-compose is neither in the environment nor on PATH")
    return subprocess.run(
        [program, "--env-file", os.devnull, *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "DOCKER_HOST": "unix:///nowhere", **environ},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("environ", [{}, OTHERS], ids=["defaults", "settings"])
def test_compose_reads_the_file_as_these_tests_do(environ: Mapping[str, str]) -> None:
    done = compose("--profile", "*", "config", "--format", "json", **environ)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    theirs, ours = json.loads(done.stdout), load(environ)
    assert theirs["services"].keys() == ours["services"].keys()
    for name, service in ours["services"].items():
        assert as_compose_says(service).items() <= told(theirs["services"][name]).items(), name
    for kind in ("volumes", "networks"):
        assert theirs[kind].keys() == ours[kind].keys()


def as_compose_says(service: dict[str, Any]) -> dict[str, Any]:
    """Return what is compared of a service as this file reads it."""
    needs = service.get("depends_on", {})
    needs = {one: {} for one in needs} if isinstance(needs, list) else needs
    return {
        "image": service["image"],
        "user": service.get("user", ""),
        "profiles": service.get("profiles", []),
        "environment": service.get("environment", {}),
        "words": [*service.get("entrypoint", []), *service.get("command", [])],
        "networks": sorted(service.get("networks", [])),
        "mounts": {(_place(m.source, is_bind=m.is_bind), m.target, m.read_only) for m in mounts(service)},
        "ports": {tuple((":" + port).rsplit(":", 2)) for port in service.get("ports", [])},
        "needs": {(one, how.get("condition", "service_started")) for one, how in needs.items()},
        "read_only": service["read_only"],
    }


def told(service: dict[str, Any]) -> dict[str, Any]:
    """Return the same of what Compose made of it."""
    words = [*(service["entrypoint"] or []), *(service["command"] or [])]
    return {
        "image": service["image"],
        "user": service.get("user", ""),
        "profiles": service.get("profiles", []),
        "environment": service.get("environment", {}),
        "words": [word.replace("$$", "$") for word in words],
        "networks": sorted(service.get("networks", {})),
        "mounts": {
            (one["source"], one["target"], one.get("read_only", False)) for one in service.get("volumes", [])
        },
        "ports": {
            (f":{one['host_ip']}" if "host_ip" in one else "", one["published"], str(one["target"]))
            for one in service.get("ports", [])
        },
        "needs": {(one, how["condition"]) for one, how in service.get("depends_on", {}).items()},
        "read_only": service["read_only"],
    }


def _place(source: str, *, is_bind: bool) -> str:
    return str((ROOT / source).resolve()) if is_bind else source


@pytest.mark.parametrize("command", COMMANDS)
def test_compose_understands_every_command_of_the_page_up_to_asking_the_engine(command: str) -> None:
    done = compose(*shlex.split(command)[2:])
    assert "failed to connect to the docker API" in done.stderr, done.stderr


def test_a_mistaken_command_would_be_noticed() -> None:
    assert "unknown flag" in compose("up", "--detatch").stderr
    assert "no such service" in compose("logs", "postgrez").stderr + compose("up", "postgrez").stderr
