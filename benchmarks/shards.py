"""What many tenants cost while they are watched: one exporter and one Prometheus, and two shards of the same.

Each shard is a `bw-exporter serve` on a filled store and a Prometheus that scrapes it every 15 s and evaluates its
rules every minute, as `bw-rules split` and `bw-rules render` make them. Nobody posts events meanwhile. The exporter's
memory is what all its processes keep (PSS: what they have in common counts once) when each thread has sent the page.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from socket import socket

from benchmarks.load import tenant_name
from benchmarks.row import Row
from benchmarks.scrape import changes
from bw_exporter.store import open_store
from bw_rules.split import shard_of
from bw_rules.verify import tools

SIZES = ((100, 1), (1_000, 1), (10_000, 1), (10_000, 2))
"""(tenants, shards)."""
WATCHED_SECONDS = 150
MEASURED_SECONDS = 60
_SCRAPES_AT_FIRST = 24
"""Enough for each of the private listener's 16 threads to have had one, as each keeps memory of its own."""
_FILLED_AT_ONCE = 200
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cost:
    """What one shard takes: series, seconds per scrape, bytes in memory, share of a core, rules' seconds."""

    series: int
    scrape: float
    prometheus_bytes: int
    prometheus_cores: float
    exporter_bytes: int
    exporter_cores: float
    store_bytes: int
    rules: float


def run(quick: bool) -> list[Row]:  # noqa: FBT001 - every benchmark's signature
    """Measure each size for two and a half minutes."""
    if tools.find("prometheus") is None:
        return []
    return [row for tenants, shards in (SIZES[:1] if quick else SIZES) for row in _measured(tenants, shards)]


def _measured(tenants: int, shards: int) -> list[Row]:
    names = [tenant_name(number) for number in range(tenants)]
    with tempfile.TemporaryDirectory(prefix="bw-bench-") as name, ExitStack() as running:
        started = [
            Shard(
                Path(name) / str(number),
                number,
                [one for one in names if shard_of(one, shards) == number],
                running,
            )
            for number in range(shards)
        ]
        time.sleep(WATCHED_SECONDS - MEASURED_SECONDS)
        for shard in started:
            shard.scrape_by_each_thread()
        before = [(shard.prometheus_seconds(), shard.exporter_seconds()) for shard in started]
        time.sleep(MEASURED_SECONDS)
        found = [shard.cost(*spent) for shard, spent in zip(started, before, strict=True)]
    return [
        Row(
            f"{one.prometheus_cores + one.exporter_cores:.2f}",
            f"cores, exporter and Prometheus, shard {number} of {shards} over {tenants} tenants",
            figures=(
                f"{one.series} series, scraped in {one.scrape:.2f} s; store {one.store_bytes >> 20} MiB; "
                f"exporter {one.exporter_bytes >> 20} MiB, {one.exporter_cores:.2f} cores; "
                f"Prometheus {one.prometheus_bytes >> 20} MiB, {one.prometheus_cores:.2f} cores, "
                f"rules {one.rules:.2f} s a minute"
            ),
        )
        for number, one in enumerate(found)
    ]


class Shard:
    """An exporter and its Prometheus."""

    def __init__(self, folder: Path, number: int, names: list[str], running: ExitStack) -> None:
        """Fill a store, render rules, start both; they end with `running`."""
        folder.mkdir()
        self.folder = folder
        public, self.private, self.port = _free_ports(3)
        config, rules = folder / "tenants.yaml", folder / "rules.yml"
        config.write_text(
            "tenants:\n" + "".join(f"  {name}: {{webhook_secret: whsec_bench}}\n" for name in names)
        )
        _fill(f"sqlite:///{folder}/store.db", names)
        render = [sys.executable, "-m", "bw_rules.cli", "render", "--config.file", str(config)]
        subprocess.run([*render, "--output", str(rules)], check=True, env=_environment())
        (folder / "prometheus.yml").write_text(
            f'global: {{scrape_interval: 15s, evaluation_interval: 1m, external_labels: {{shard: "{number}"}}}}\n'
            f"rule_files: ['{rules}']\nscrape_configs:\n- job_name: billing-exporter\n"
            f"  static_configs: [{{targets: ['127.0.0.1:{self.private}']}}]\n"
        )
        serve = [
            *(
                sys.executable,
                "-m",
                "bw_exporter",
                "serve",
                "--config.file",
                str(config),
                "--web.workers",
                "1",
            ),
            *(
                "--storage.url",
                f"sqlite:///{folder}/store.db",
                "--web.webhook-address",
                f"127.0.0.1:{public}",
            ),
            *("--web.metrics-address", f"127.0.0.1:{self.private}"),
        ]
        self._exporter = self._started(serve, running)
        watch = [
            *(str(tools.find("prometheus")), f"--config.file={folder}/prometheus.yml"),
            *(f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{self.port}"),
        ]
        self._prometheus = self._started(watch, running)

    def _started(self, command: list[str], running: ExitStack) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=_environment()
        )
        running.callback(process.wait)
        running.callback(process.terminate)
        return process

    def scrape_by_each_thread(self) -> None:
        """Have every thread of the exporter send the page."""
        url = f"http://127.0.0.1:{self.private}/metrics"
        for _ in range(_SCRAPES_AT_FIRST):
            asked = urllib.request.Request(url, headers={"Accept-Encoding": "gzip"})
            with urllib.request.urlopen(asked) as page:  # noqa: S310 - loopback
                page.read()

    def prometheus_seconds(self) -> float:
        """CPU that Prometheus has used."""
        return _cpu_seconds([self._prometheus.pid])

    def exporter_seconds(self) -> float:
        """CPU that all processes of the exporter have used."""
        return _cpu_seconds(_family(self._exporter.pid))

    def cost(self, prometheus_before: float, exporter_before: float) -> Cost:
        """Return what it has taken since."""
        groups = json.loads(self._get("rules"))["data"]["groups"]
        return Cost(
            int(self._value("scrape_samples_scraped")),
            self._value("scrape_duration_seconds"),
            _memory([self._prometheus.pid], "Rss"),
            (self.prometheus_seconds() - prometheus_before) / MEASURED_SECONDS,
            _memory(_family(self._exporter.pid), "Pss"),
            (self.exporter_seconds() - exporter_before) / MEASURED_SECONDS,
            sum(file.stat().st_size for file in self.folder.glob("store.db*")),
            sum(group["evaluationTime"] for group in groups),
        )

    def _value(self, metric: str) -> float:
        query = urllib.parse.quote(f"quantile_over_time(0.5, {metric}[2m])")
        answer = json.loads(self._get(f"query?query={query}"))
        return float(answer["data"]["result"][0]["value"][1])

    def _get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/{path}", timeout=30) as answer:
            return bytes(answer.read())


def _fill(url: str, names: list[str]) -> None:
    store, chance = open_store(url), random.Random(len(names))  # noqa: S311 - reproducible, not secret
    store.register(names, 1_795_000_000)
    for start in range(0, len(names), _FILLED_AT_ONCE):
        lived = {name: list(changes(chance)) for name in names[start : start + _FILLED_AT_ONCE]}
        store.write(lambda tx, lived=lived: [tx.change(name, done) for name, done in lived.items()])  # type: ignore[misc]
    store.close()


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in _family(int(child)))]


def _cpu_seconds(pids: list[int]) -> float:
    stats = (Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids)
    return sum(int(stat[11]) + int(stat[12]) for stat in stats) / _TICKS


def _memory(pids: list[int], kind: str) -> int:
    texts = (Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in pids)
    return sum(
        int(line.split()[1]) * 1024
        for text in texts
        for line in text.splitlines()
        if line.startswith(f"{kind}:")
    )


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
