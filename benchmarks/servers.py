"""The servers that are compared, as processes, and the CPU time that each has taken."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bare import SECRET
from benchmarks.load import tenant_name

WORKERS, THREADS = 2, 16
"""For both: bw-exporter's own number of threads, and workers for two cores."""

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_START_SECONDS = 30.0
_STOP_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: the port of its webhooks, that of its metrics (0: none), and its first process."""

    port: int
    metrics_port: int
    pid: int

    def cpu_seconds(self) -> float:
        """Return what its processes have taken so far, system time included."""
        return sum(_cpu_seconds(pid) for pid in tree(self.pid))


@contextmanager
def exporter(folder: Path, storage_url: str, tenants: int) -> Iterator[Server]:
    """Run `bw-exporter serve` without a rate limit."""
    port, metrics_port = free_port(), free_port()
    config = folder / "tenants.yaml"
    names = [tenant_name(number) for number in range(tenants)]
    document = {
        "defaults": {"rate_limit": {"rate": 0}},
        "tenants": {name: {"webhook_secret": SECRET} for name in names},
    }
    config.write_text(json.dumps(document))
    command = [
        *(str(Path(sys.executable).with_name("bw-exporter")), "serve", "--config.file", str(config)),
        *("--storage.url", storage_url, "--web.workers", str(WORKERS), "--log.level", "warning"),
        *("--web.webhook-address", f"127.0.0.1:{port}", "--web.metrics-address", f"127.0.0.1:{metrics_port}"),
    ]
    with _running(command, port) as pid:
        yield Server(port, metrics_port, pid)


@contextmanager
def under_gunicorn(app: str, environ: Mapping[str, str] | None = None) -> Iterator[Server]:
    """Run a yardstick, a module of this package, with gunicorn's own threaded worker."""
    port = free_port()
    command = [
        *(sys.executable, "-m", "gunicorn", "--worker-class", "gthread", "--keep-alive", "75"),
        *("--workers", str(WORKERS), "--threads", str(THREADS), "--no-control-socket"),
        *("--bind", f"127.0.0.1:{port}", "--log-level", "warning", f"benchmarks.{app}:app"),
    ]
    with _running(command, port, environ) as pid:
        yield Server(port, 0, pid)


def free_port() -> int:
    """Return a port of the loopback interface that nobody holds now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def _running(command: list[str], port: int, environ: Mapping[str, str] | None = None) -> Iterator[int]:
    process = subprocess.Popen(command, env={**os.environ, **(environ or {})})
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not _accepts(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{' '.join(command)} does not start")
            time.sleep(0.05)
        time.sleep(1.0)  # until every worker has imported what it needs
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            for pid in tree(process.pid):
                os.kill(pid, 9)
            process.wait()


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def tree(pid: int) -> list[int]:
    """Return a process and all below it, as /proc tells."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += tree(int(child))
    return found


def _cpu_seconds(pid: int) -> float:
    """From proc(5): utime and stime are the 14th and 15th field, after the name in parentheses."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND
