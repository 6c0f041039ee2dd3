from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    not Path(sys.executable).with_name("bw-exporter").exists(),
    reason="bw-exporter is not installed in this environment; run `make test`",
)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the demo makes its folder; what is left there afterwards was left behind."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def processes_of(folder: Path) -> list[str]:
    """The command lines of running processes that name the folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in line:
            found.append(line)
    return found


def demo(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, ROOT / "scripts/demo.py", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


def test_the_demo_shows_where_to_look_plays_everything_and_leaves_nothing_behind(temporary: Path) -> None:
    process = demo("--duration", "4s", "--rate", "20")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "a page for people" in out
    assert "acknowledged in" in out
    assert "silent_lapse strikes trouble" in err
    assert "complained" not in err
    assert not list(temporary.glob("billingwatch-demo-*"))
    assert not processes_of(temporary)


def test_ctrl_c_ends_the_demo_and_everything_it_started(temporary: Path) -> None:
    process = demo()
    deadline = time.monotonic() + 60
    while len(processes_of(temporary)) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert process.stdout
    while "Ctrl-C" not in process.stdout.readline():
        assert time.monotonic() < deadline
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    assert not list(temporary.glob("billingwatch-demo-*"))
    assert not processes_of(temporary)


def test_an_exporter_that_does_not_start_is_shown_with_what_it_says(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BW_WEB_CONFIG_FILE", str(temporary / "nowhere.yml"))
    process = demo("--duration", "4s")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "The exporter did not start. It says:" in err
    assert "nowhere.yml" in err
