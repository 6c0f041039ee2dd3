from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bw_exporter.config import tenants
from bw_exporter.config.current import ConfigState
from bw_exporter.monitoring.web_config import WebConfig
from bw_exporter.serving.options import ServeOptions
from bw_exporter.serving.supervisor import Supervisor
from support.exporter import ONE_TENANT, SECRET, Start, ask, eventually
from support.patience import limit

FORKS = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")

FIVE_MISTAKES = f"""
defaults: {{mode: production}}
tenants:
  prod: {{webhook_secret: {SECRET}, revenue_base: charge}}
  Shop: {{webhook_secret: {SECRET}}}
  empty: {{}}
  other: {{webhook_secret: secret_of_another_kind}}
"""


@pytest.mark.parametrize("how", ["POST", "SIGHUP"])
def test_a_bad_file_keeps_the_last_good_one(start: Start, how: str):
    exporter = start()
    exporter.config.write_text(FIVE_MISTAKES)
    if how == "POST":
        reply = exporter.reload()
        assert reply.status == 400
        assert len([line for line in reply.text.splitlines() if "tenants.yaml: " in line]) == 5
        assert "the last good configuration is still in force" in reply.text
    else:
        exporter.process.send_signal(signal.SIGHUP)
        eventually(lambda: exporter.metric("billingwatch_config_last_reload_successful") == 0)
    assert exporter.metric("billingwatch_config_last_reload_successful") == 0
    assert exporter.send("after").status == 200
    assert len(exporter.entries("not reloaded")) == 5
    assert "still in force" in exporter.get("/").text

    exporter.config.write_text(f"tenants: {{other: {{webhook_secret: {SECRET}}}}}")
    assert exporter.reload().status == 200
    assert exporter.metric("billingwatch_config_last_reload_successful") == 1
    assert exporter.send("after").status == 404
    assert exporter.send("after", "other").status == 200


def test_every_worker_has_the_new_configuration_when_reload_answers(start: Start):
    exporter = start(ONE_TENANT, "--web.workers", "3")
    for number in range(5):
        name = f"tenant-{number}"
        exporter.config.write_text(f"tenants: {{{name}: {{webhook_secret: {SECRET}}}}}")
        assert exporter.reload().status == 200
        answers = {ask(exporter.public, "POST", f"/webhooks/{name}", b"{}").status for _ in range(20)}
        assert answers == {400}  # an unknown tenant's would be 404
        assert exporter.requests("accepted", name) == 0


def test_a_removed_tenant_disappears_and_continues_when_it_is_back(start: Start):
    exporter = start()
    assert exporter.send(1).status == 200
    good = exporter.config.read_text()
    exporter.config.write_text(f"tenants: {{other: {{webhook_secret: {SECRET}}}}}")
    assert exporter.reload().status == 200
    assert exporter.requests("accepted") is None
    exporter.config.write_text(good)
    assert exporter.reload().status == 200
    assert exporter.requests("accepted") == 1


def test_a_worker_that_dies_on_a_bad_file_comes_back_with_the_last_good_one(start: Start):
    exporter = start()
    exporter.config.write_text(FIVE_MISTAKES)
    assert exporter.reload().status == 400
    for pid in exporter.workers("public") + exporter.workers("private"):
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: exporter.send("again").status == 200)
    eventually(lambda: exporter.metric("billingwatch_config_last_reload_successful") == 0)


def test_a_bad_file_at_the_start_prints_a_line_for_each_mistake_and_serves_nothing(tmp_path: Path):
    (tmp_path / "tenants.yaml").write_text(FIVE_MISTAKES)
    command = [sys.executable, "-m", "bw_exporter", "serve", "--config.file", "tenants.yaml"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=limit(30), check=False
    )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 5
    assert SECRET not in done.stderr
    assert "secret_of_another_kind" not in done.stderr
    assert not (tmp_path / "data").exists()


@FORKS
def test_a_fault_of_ours_in_reading_the_file_ends_nothing_and_keeps_the_last_good_one(tmp_path: Path):
    (tmp_path / "tenants.yaml").write_text(ONE_TENANT)
    good = tenants.load(str(tmp_path / "tenants.yaml"), detectors={})
    state = ConfigState(good, 1, last_reload_successful=True, problems=(), attempted_monotonic=1.0)
    options = ServeOptions(
        config_file="tenants.yaml",
        load=lambda: tenants.load(str(1 // 0), detectors={}),
        storage_url=f"sqlite:///{tmp_path / 'store.db'}",
        webhook_address=("127.0.0.1", 0),
        metrics_address=("127.0.0.1", 0),
        workers=1,
        web_config=WebConfig(),
    )
    supervisor = Supervisor(options, state)
    supervisor.handle_hup()
    eventually(
        lambda: supervisor.wait_for_signals(0.01) == [] and not supervisor.state.last_reload_successful
    )
    assert supervisor.state.tenants is good
    assert not supervisor.state.last_reload_successful
    assert supervisor.state.problems
    assert supervisor.state.attempted_monotonic > 1.0
