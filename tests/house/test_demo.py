from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from bw_rules.verify import tools
from support.patience import limit
from support.processes import started

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    not Path(sys.executable).with_name("bw-exporter").exists(),
    reason="bw-exporter is not installed in this environment; run `make test`",
)

needs_prometheus = pytest.mark.skipif(
    None in map(tools.find, ("prometheus", "promtool", "alertmanager")),
    reason="Prometheus and Alertmanager are neither on PATH nor in .tools/bin; `make tools` fetches them",
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


def demo(
    *words: str, script: Path = ROOT / "scripts/demo"
) -> contextlib.AbstractContextManager[subprocess.Popen[str]]:
    return started(
        [sys.executable, script, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


def wait_for(process: subprocess.Popen[str], text: str) -> str:
    """Read what the demo tells until it says `text`; return it all."""
    assert process.stdout
    said = [""]
    while text not in said[-1]:
        said.append(process.stdout.readline())
        assert said[-1], "it ended before it came so far"
    return "".join(said)


def ended_by_ctrl_c(process: subprocess.Popen[str], temporary: Path) -> None:
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=limit(60))
    assert process.returncode == 0, err
    assert "Traceback" not in err
    assert "complained" not in err
    assert nothing_is_left_of_it(temporary)


def nothing_is_left_of_it(temporary: Path) -> bool:
    return not list(temporary.iterdir()) and not processes_of(temporary)


def test_the_demo_shows_where_to_look_plays_everything_and_leaves_nothing_behind(temporary: Path) -> None:
    with demo("--alone", "--history", "2h", "--duration", "4s", "--rate", "20") as process:
        out, err = process.communicate(timeout=limit(120))
    assert process.returncode == 0, err
    assert "a page for people" in out
    assert "acknowledged in" in out
    assert "silent_lapse strikes trouble" in out
    assert "complained" not in err
    assert nothing_is_left_of_it(temporary)


@needs_prometheus
def test_the_demo_tells_which_alert_came_of_what_and_after_how_long_and_ctrl_c_ends_it(
    temporary: Path,
) -> None:
    with demo("--history", "2h") as process:
        said = wait_for(process, "BillingWebhookLag was delivered after")
        ended_by_ctrl_c(process, temporary)
    assert "Alerts arrive at" in said
    assert "webhook_lag strikes trouble: the events of 3 sales arrive 240 seconds late" in said
    assert re.search(r"BillingWebhookLag was delivered after \d+ s: WARNING trouble: ", said), said
    assert "another message came" not in said


@needs_prometheus
@pytest.mark.parametrize("moment", ["three shops live", "Prometheus reads their past"])
def test_ctrl_c_ends_the_demo_and_everything_it_started_before_it_has_begun(
    temporary: Path, moment: str
) -> None:
    with demo("--history", "2h") as process:
        wait_for(process, moment)
        ended_by_ctrl_c(process, temporary)


@needs_prometheus
def test_the_demo_of_a_key_starts_a_stripe_to_ask_and_ctrl_c_ends_it(temporary: Path) -> None:
    """Its story takes minutes, as an exporter asks once a minute; test_keyed_demo tells it in no time."""
    with demo("--key") as process:
        wait_for(process, "a shop with an API key sells")
        ended_by_ctrl_c(process, temporary)


def test_without_prometheus_the_demo_says_so_and_shows_the_exporter(
    temporary: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path_factory.mktemp("checkout") / "scripts" / "demo"
    shutil.copytree(ROOT / "scripts/demo", elsewhere)
    monkeypatch.setenv("PATH", str(elsewhere))
    with demo("--history", "2h", "--duration", "2s", script=elsewhere) as process:
        out, err = process.communicate(timeout=limit(120))
    assert process.returncode == 0, err
    assert "Only the exporter is shown, without alerts: there is no prometheus on PATH" in out
    assert "a page for people" in out
    assert "Alerts arrive at" not in out
    assert "acknowledged in" in out


def test_an_exporter_that_does_not_start_is_shown_with_what_it_says(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BW_WEB_CONFIG_FILE", str(temporary / "nowhere.yml"))
    with demo("--alone", "--history", "2h", "--duration", "4s") as process:
        _, err = process.communicate(timeout=limit(60))
    assert process.returncode == 1
    assert "The exporter did not start. It says:" in err
    assert "nowhere.yml" in err
