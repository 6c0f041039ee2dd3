from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from bw_exporter.config import tenants
from bw_exporter.config.current import ConfigState, CurrentConfig
from bw_exporter.serving.config_channel import ConfigChannel, encode
from support.exporter import ONE_TENANT, SECRET, RunningExporter, Start, eventually

NO_ONE = tenants.Tenants((), {}, "tenants.yaml")


@pytest.mark.parametrize("role", ["public", "private"])
def test_a_killed_worker_is_replaced_and_the_others_serve_on(start: Start, role: str):
    exporter = start()
    assert exporter.send("before").status == 200
    victims = exporter.workers(role)
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    if role == "public":
        assert exporter.get("/-/healthy").status == 200
    else:
        assert exporter.send("meanwhile").status == 200
    eventually(lambda: len(set(exporter.workers(role)) - set(victims)) == len(victims))
    eventually(lambda: exporter.get("/-/ready").status == 200)
    assert exporter.send("after").status == 200
    assert len(exporter.workers("private")) == 1
    assert len(exporter.workers("public")) == 2


def test_workers_end_when_the_supervisor_is_killed_and_free_its_addresses_at_once(start: Start):
    exporter = start()
    workers = exporter.workers("public") + exporter.workers("private")
    exporter.process.kill()
    exporter.process.wait()
    addresses = f"127.0.0.1:{exporter.public}", f"127.0.0.1:{exporter.private}"
    again = start(ONE_TENANT, "--web.webhook-address", addresses[0], "--web.metrics-address", addresses[1])
    assert again.send(1).status == 200
    eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))


def test_scrapes_leave_little_memory_behind_whichever_threads_send_them(start: Start):
    shops = "".join(f"  shop-{number}: {{webhook_secret: {SECRET}}}\n" for number in range(1000))
    exporter = start(f"tenants:\n{shops}")
    (private,) = exporter.workers("private")

    def resident_mib() -> float:
        status = Path(f"/proc/{private}/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) / 1024

    exporter.get("/metrics")
    before = resident_mib()
    for _ in range(24):
        assert exporter.get("/metrics").status == 200
    assert resident_mib() - before < 64  # 10 by measurement; with a heap for each thread it was 166


def test_signals_that_mean_nothing_here_change_nothing(start: Start):
    exporter = start()
    workers = exporter.workers("public") + exporter.workers("private")
    for number in (signal.SIGTTIN, signal.SIGTTOU, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH):
        exporter.process.send_signal(number)
    for pid in workers:
        os.kill(pid, signal.SIGHUP)  # as `pkill -HUP bw-exporter` would
        os.kill(pid, signal.SIGINT)  # as Ctrl-C in a terminal does
    assert exporter.reload().status == 200
    assert exporter.workers("public") + exporter.workers("private") == workers


def test_exporters_started_at_once_share_one_store(tmp_path: Path):
    with contextlib.ExitStack() as running:
        started = [running.enter_context(RunningExporter(tmp_path)) for _ in range(3)]
        exporters = [exporter.ready() for exporter in started]
        for number, exporter in enumerate(exporters):
            assert exporter.send(number).text.strip() == "accepted"
        for exporter in exporters:
            assert exporter.send(1).text.strip() == "redelivered"
            assert exporter.requests("accepted") == 3


def test_it_leaves_nothing_in_the_home_folder_or_the_temporary_one(start: Start, tmp_path: Path):
    home, temporary = tmp_path / "home", tmp_path / "temporary"
    home.mkdir()
    temporary.mkdir()
    exporter = start(environ={"HOME": str(home), "TMPDIR": str(temporary), "PYTHONDONTWRITEBYTECODE": "1"})
    assert exporter.send(1).status == 200
    assert exporter.stop() == 0
    assert not list(home.iterdir())
    assert not list(temporary.iterdir())


def test_a_configuration_arrives_whole_and_is_acknowledged():
    old = ConfigState(NO_ONE, 1, True, (), 1.0)
    new = ConfigState(NO_ONE, 1, False, ("tenants.prod: " + "x" * 5_000_000,), 2.0)
    config, channel = CurrentConfig(old), ConfigChannel()
    orphaned = threading.Event()
    channel.follow(config, orphaned.set)
    deadline = time.monotonic() + 10
    assert channel.send(encode(new), deadline)
    assert channel.taken(deadline)
    assert config.state == new
    assert config.wait_for_attempt(2.0, 0) == new
    assert config.wait_for_attempt(2.5, 0) is None
    channel.close_supervisor_end()
    assert orphaned.wait(5)


def test_a_worker_that_takes_no_configuration_is_found_out():
    channel = ConfigChannel()
    deadline = time.monotonic() + 0.2
    assert channel.send(encode(ConfigState(NO_ONE, 1, True, (), 1.0)), deadline)
    assert not channel.taken(deadline)
    assert not channel.send(bytes(50_000_000), deadline)
    channel.close()


def test_a_stopped_worker_does_not_hold_a_reload_up_for_ever(start: Start):
    exporter = start()
    stopped = exporter.workers("public")[0]
    os.kill(stopped, signal.SIGSTOP)
    exporter.config.write_text(f"tenants: {{new: {{webhook_secret: {SECRET}}}}}")
    assert exporter.reload().status == 200
    eventually(lambda: len(exporter.workers("public")) == 2 and stopped not in exporter.workers("public"))
    assert all(exporter.send(number, "new").status == 200 for number in range(10))
