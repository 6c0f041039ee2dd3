from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder with the Makefile, the scripts and the locks, and nothing made yet."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    return tmp_path


def program(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def path_of(folder: Path, *programs: str) -> Path:
    """A PATH with these programs of the system alone."""
    place = folder / "path"
    place.mkdir()
    for name in programs:
        found = shutil.which(name)
        assert found
        (place / name).symlink_to(found)
    return place


def make(folder: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", *words],
        cwd=folder,
        env={**os.environ, "MAKEFLAGS": "", **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def test_make_alone_lists_what_it_can_do(copy: Path) -> None:
    told = make(copy).stdout
    for target in ("demo", "test", "lint", "bench", "generate", "lock", "clean"):
        assert f"make {target} " in told


def test_an_old_python_is_answered_with_the_version_that_is_needed(copy: Path) -> None:
    program(copy, "python3.8", 'case "$1" in --version) echo Python 3.8.10;; *) exit 1;; esac')
    answer = make(copy, "test", f"PYTHON={copy}/python3.8")
    assert answer.returncode != 0
    assert "Python 3.11 or newer is needed; this is Python 3.8.10." in answer.stdout


def test_a_python_without_venv_is_answered_with_the_package_to_install(copy: Path) -> None:
    program(copy, "python3", 'case "$*" in *ensurepip*) exit 1;; esac')
    answer = make(copy, "test", f"PYTHON={copy}/python3")
    assert answer.returncode != 0
    assert "sudo apt install python3-venv" in answer.stdout
    assert not (copy / ".venv").exists()


def test_tools_that_cannot_be_fetched_are_no_error_and_the_reason_is_kept(copy: Path) -> None:
    path = path_of(copy, "sh", "dirname", "mkdir", "echo", "rm")
    answer = subprocess.run(
        [copy / "scripts/fetch-tools"], env={"PATH": str(path)}, capture_output=True, text=True, check=True
    )
    reason = (copy / ".tools/WHY").read_text()
    assert reason == "there is no apt-get here; install Prometheus and Alertmanager\n"
    assert answer.stdout.count("\n") == 1
    assert reason in answer.stdout


def test_a_failed_download_is_kept_as_the_reason(copy: Path) -> None:
    path = path_of(copy, "sh", "dirname", "mkdir", "rm", "dpkg", "grep", "tail")
    program(path, "apt-get", "echo 'E: no network' >&2; exit 100")
    subprocess.run([copy / "scripts/fetch-tools"], env={"PATH": str(path)}, capture_output=True, check=True)
    assert (copy / ".tools/WHY").read_text() == "apt-get download failed (E: no network)\n"


def test_tools_on_the_path_are_not_fetched(copy: Path) -> None:
    path = path_of(copy, "sh", "dirname", "rm")
    for tool in ("promtool", "prometheus", "amtool", "alertmanager"):
        program(path, tool, "")
    answer = subprocess.run(
        [copy / "scripts/fetch-tools"], env={"PATH": str(path)}, capture_output=True, text=True, check=True
    )
    assert answer.stdout == ""
    assert not (copy / ".tools").exists()


@pytest.mark.parametrize("lock", ["runtime", "dev"])
def test_a_lock_pins_every_package_with_hashes_and_names_no_host(lock: str) -> None:
    text = (ROOT / f"requirements/{lock}.lock").read_text()
    pins = [block for block in re.split(r"\n(?=[a-z])", text) if not block.startswith("#")]
    assert len(pins) > 15
    assert all(re.match(r"[a-z0-9.-]+==\S+.*\\\n +--hash=sha256:[0-9a-f]{64}", pin) for pin in pins)
    assert "://" not in text
    assert "index" not in text


@pytest.mark.parametrize("lock", ["runtime", "dev"])
def test_a_lock_has_every_dependency_of_the_project(lock: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = list(project["project"]["dependencies"])
    if lock == "dev":
        wanted += [
            one for group in project["dependency-groups"].values() for one in group if isinstance(one, str)
        ]
    pinned = {line.split("==")[0] for line in (ROOT / f"requirements/{lock}.lock").read_text().splitlines()}
    assert {re.split(r"[<>=\[ ;]", one)[0] for one in wanted} <= pinned


def test_the_locks_agree() -> None:
    runtime, dev = (
        set(
            re.findall(
                r"^([a-z0-9.-]+==[^ ]+)", (ROOT / f"requirements/{lock}.lock").read_text(), re.MULTILINE
            )
        )
        for lock in ("runtime", "dev")
    )
    assert runtime <= dev
