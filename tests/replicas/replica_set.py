"""Exporters that share one store, shops that post to whichever of them answers, and Prometheus servers that watch."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

from bw_rules.verify import tools
from bw_simulator.sender import Connection, UndeliverableError, sign
from bw_simulator.shop import objects
from bw_simulator.shop.events import body, event
from bw_simulator.shop.ids import Ids
from support.patience import limit
from support.processes import end, free_ports

SECRET = "whsec_replicas_replicas_replicas"
TENANTS = ("north", "south")
PATIENCE_SECONDS = limit(30)


@dataclass
class Replica:
    """One `bw-exporter serve`."""

    process: subprocess.Popen[bytes]
    webhooks: int
    metrics: int

    @property
    def instance(self) -> str:
        return f"127.0.0.1:{self.metrics}"

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def drain(self) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE_SECONDS)


@dataclass
class Deployment:
    """The store that replicas share, and what has been started on it."""

    folder: Path
    running: ExitStack

    def replicas(self, count: int) -> list[Replica]:
        """Start so many at once, each at an address of its own, and wait until they are ready."""
        found = [self._start(*free_ports(2)) for _ in range(count)]
        for one in found:
            eventually(lambda metrics=one.metrics: answers(metrics))  # type: ignore[misc]
        return found

    def restarted(self, killed: Replica) -> Replica:
        """Start one again at the address that it had."""
        found = self._start(killed.webhooks, killed.metrics)
        eventually(lambda: answers(found.metrics))
        return found

    def _start(self, webhooks: int, metrics: int) -> Replica:
        process = self.spawn(
            f"exporter-{metrics}",
            sys.executable, "-m", "bw_exporter", "serve", "--config.file", f"{self.folder}/tenants.yaml",
            "--storage.url", f"sqlite:///{self.folder}/store.db", "--web.workers", "1",
            "--web.webhook-address", f"127.0.0.1:{webhooks}", "--web.metrics-address", f"127.0.0.1:{metrics}",
        )  # fmt: skip
        return Replica(process, webhooks, metrics)

    def prometheus(self, name: str, *replicas: Replica) -> Prometheus:
        program, (port,) = tools.find("prometheus"), free_ports(1)
        assert program is not None
        found = Prometheus(self.folder / f"{name}.targets.json", port)
        found.scrape(*replicas)
        config = self.folder / f"{name}.yml"
        config.write_text(
            "global: {scrape_interval: 1s, evaluation_interval: 1s}\n"
            f"rule_files: ['{self.folder}/rules.yml']\n"
            "scrape_configs:\n- job_name: billing-exporter\n"
            f"  file_sd_configs: [{{files: ['{found.targets}']}}]\n"
        )
        self.spawn(
            name, program, f"--config.file={config}", f"--storage.tsdb.path={self.folder}/{name}",
            f"--web.listen-address=127.0.0.1:{port}",
        )  # fmt: skip
        eventually(lambda: answers(port))
        return found

    def spawn(self, name: str, *command: str) -> subprocess.Popen[bytes]:
        log = self.running.enter_context((self.folder / f"{name}.log").open("ab"))
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        self.running.callback(end, process)
        return process


@dataclass(frozen=True)
class Prometheus:
    """A server and the file in which it finds its targets."""

    targets: Path
    port: int

    def scrape(self, *replicas: Replica) -> None:
        """Scrape these from now on and no others."""
        new = self.targets.with_suffix(".new")
        new.write_text(json.dumps([{"targets": [one.instance for one in replicas]}]))
        new.replace(self.targets)

    def asked(self, query: str, at: float | None = None) -> dict[tuple[tuple[str, str], ...], str]:
        """Return value by labels."""
        parameters = {"query": query} | ({} if at is None else {"time": f"{at:.3f}"})
        data = self._api(f"query?{urllib.parse.urlencode(parameters)}")
        assert data["resultType"] == "vector"
        return {tuple(sorted(one["metric"].items())): one["value"][1] for one in data["result"]}

    def steps(self, query: str, start: float, end: float) -> list[float]:
        """Return the values of a single series second by second."""
        parameters = {"query": query, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": "1"}
        (one,) = self._api(f"query_range?{urllib.parse.urlencode(parameters)}")["result"]
        return [float(value) for _, value in one["values"]]

    def firing(self) -> set[tuple[str, str]]:
        """(alert, instance) of all that fires."""
        return {
            (alert["labels"]["alertname"], alert["labels"].get("instance", ""))
            for alert in self._api("alerts")["alerts"]
            if alert["state"] == "firing"
        }

    def evaluated_at(self) -> float:
        """When the group whose turn is longest ago was last evaluated."""
        turns = [datetime.fromisoformat(group["lastEvaluation"]) for group in self._api("rules")["groups"]]
        return min(turns).timestamp()

    def _api(self, path: str) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/{path}", timeout=30) as answer:
            return dict(json.load(answer)["data"])


@dataclass
class Shops:
    """Senders that post events to any replica and repeat each until it is acknowledged, as Stripe does."""

    replicas: list[Replica] = field(default_factory=list)
    acknowledged: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _mutex: threading.Lock = field(default_factory=threading.Lock)
    _threads: list[threading.Thread] = field(default_factory=list)
    _failures: list[BaseException] = field(default_factory=list)
    _opened: int = 0

    def open(self) -> None:
        self._stop.clear()
        self._opened += 1
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(3)]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        assert not self._failures, self._failures

    def await_sales(self, more: int) -> None:
        """Wait until so many more events are acknowledged."""
        wanted = self.acknowledged + more
        eventually(lambda: self.acknowledged >= wanted or self._failures)
        assert not self._failures, self._failures

    def _run(self, number: int) -> None:
        try:
            ids, chance = Ids(f"{self._opened}/{number}"), Random(f"{self._opened}/{number}")
            while not self._stop.is_set():
                self._sell(ids, chance)
        except BaseException as error:  # noqa: BLE001 - raised again by the one who waits
            self._failures.append(error)

    def _sell(self, ids: Ids, chance: Random) -> None:
        tenant, payload = chance.choice(TENANTS), happening(ids, chance)
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            replica = chance.choice(self.replicas)
            try:
                with Connection(f"http://127.0.0.1:{replica.webhooks}", timeout_seconds=5) as connection:
                    signature = sign(payload, SECRET, int(time.time()))
                    answer = connection.post(f"/webhooks/{tenant}", payload, signature)
            except UndeliverableError:
                answer = None
            if answer is not None and answer.status == 200:
                with self._mutex:
                    self.acknowledged += 1
                return
            assert answer is None or answer.status == 503, answer
            assert time.monotonic() < until, "an event was never acknowledged"
            time.sleep(0.05)


def happening(ids: Ids, chance: Random) -> bytes:
    """Return a sale, a failed charge or a dispute, in one of two currencies, some of them late."""
    now = int(time.time()) - chance.choice((0, 0, 0, 45))
    currency, amount = chance.choice(("usd", "eur")), chance.randrange(100, 10_000)
    kind = chance.choice(("charge.succeeded", "charge.succeeded", "charge.failed", "charge.dispute.created"))
    charge = objects.charge(
        ids, created_at=now, amount=amount, currency=currency,
        status="failed" if kind == "charge.failed" else "succeeded", customer=ids.new("cus"),
    )  # fmt: skip
    thing = objects.dispute(ids, charge=charge, created_at=now) if "dispute" in kind else charge
    return body(event(ids, kind, thing, created_at=now))


def eventually(holds: Callable[[], object]) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < until, "it never came true"
        time.sleep(0.1)


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
