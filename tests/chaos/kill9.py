"""Kill the exporter with SIGKILL under load, again and again, and compare what was acknowledged with what counts.

    make chaos CHAOS="--kills 20 --workers 2 --seed 1 [--one-worker] [--storage postgres]"

Senders post distinct signed charges and repeat each until it is answered 200, as Stripe does. At random
moments every process of the exporter is killed at once and started again on the same store; with
--one-worker, one worker is, and the supervisor replaces it. With --storage postgres there are two replicas on
one PostgreSQL, each try goes to either of them, and one of the two is killed each time. The closing line says how
many events were acknowledged, how many the store counted, and how many were committed although their answer was
lost.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.client import HTTPException
from pathlib import Path
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from bw_simulator.sender import Connection, UndeliverableError, sign
from bw_simulator.shop import objects
from bw_simulator.shop.events import body, event
from bw_simulator.shop.ids import Ids
from support.patience import limit
from support.postgres import running
from support.processes import free_ports

SECRET = "whsec_chaos"
TENANTS = ("north", "south")
SENDERS = 12
START_SECONDS = limit(30)
PATIENCE_SECONDS = limit(120)


@dataclass
class Told:
    """What the senders know: events acknowledged, of which redelivered, and revenue by tenant.

    `refused` tries were answered 503, the slowest after `refused_seconds`.
    """

    acknowledged: int = 0
    redelivered: int = 0
    refused: int = 0
    refused_seconds: float = 0.0
    revenue: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TENANTS, 0))
    mutex: threading.Lock = field(default_factory=threading.Lock)

    def note(self, tenant: str, amount: int, answer: str) -> None:
        with self.mutex:
            self.acknowledged += 1
            self.redelivered += answer == "redelivered"
            self.revenue[tenant] += amount

    def refuse(self, seconds: float) -> None:
        with self.mutex:
            self.refused += 1
            self.refused_seconds = max(self.refused_seconds, seconds)


@dataclass(frozen=True)
class Outcome:
    """What became of a run; `wrong` names each difference between what was told and what counts."""

    kills: int
    told: Told
    counted: int
    wrong: tuple[str, ...]

    def __str__(self) -> str:
        verdict = "exact" if not self.wrong else "NOT EXACT: " + "; ".join(self.wrong)
        return (
            f"{self.kills} kills: {self.told.acknowledged} acknowledged, {self.counted} counted,"
            f" {self.told.redelivered} redelivered: {verdict}"
        )


class Exporter:
    """`bw-exporter serve` in a process group of its own, so that all of it can be killed at once."""

    def __init__(self, folder: Path, workers: int, url: str) -> None:
        self.folder, self.workers, self.url = folder, workers, url
        self.log = folder / f"exporter-{time.monotonic_ns()}.log"
        self.port, self.metrics_port = free_ports(2)
        config = {
            "defaults": {"rate_limit": {"rate": 0}},
            "tenants": {tenant: {"webhook_secret": SECRET} for tenant in TENANTS},
        }
        (folder / "tenants.yaml").write_text(json.dumps(config))
        self.process = self._started()

    def _started(self) -> subprocess.Popen[bytes]:
        command = [
            *(str(Path(sys.executable).with_name("bw-exporter")), "serve"),
            *("--config.file", str(self.folder / "tenants.yaml")),
            *("--storage.url", self.url, "--web.workers", str(self.workers)),
            *("--web.webhook-address", f"127.0.0.1:{self.port}"),
            *("--web.metrics-address", f"127.0.0.1:{self.metrics_port}", "--log.level", "warning"),
        ]
        with self.log.open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            try:
                with urlopen(f"http://127.0.0.1:{self.metrics_port}/-/ready", timeout=5) as answer:
                    if answer.status == 200:
                        return
            except (OSError, HTTPException):
                pass
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError("the exporter is not ready:\n" + self.log.read_text()[-3000:])

    def kill_all(self) -> None:
        """Supervisor, workers and the private process, in one signal; then start anew on the same store."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process = self._started()

    def kill_one_worker(self, chance: random.Random) -> None:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        os.kill(int(chance.choice(children)), signal.SIGKILL)

    def stop(self) -> None:
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        self.process.wait()

    def samples(self) -> dict[tuple[str, str], int]:
        """Totals by metric and tenant, other labels summed."""
        with urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=30) as answer:
            text = answer.read().decode()
        totals: dict[tuple[str, str], int] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                key = (sample.name, sample.labels.get("tenant", ""))
                totals[key] = totals.get(key, 0) + int(sample.value)
        return totals


def send_until(stop: threading.Event, number: int, seed: int, ports: Sequence[int], told: Told) -> None:
    """Post one charge after the other; go on to the next when this one is acknowledged, whatever it takes."""
    ids, chance = Ids(f"{seed}/{number}"), random.Random(f"{seed}/{number}")
    connections = [Connection(f"http://127.0.0.1:{port}", timeout_seconds=10) for port in ports]
    while not stop.is_set():
        tenant, amount, now = chance.choice(TENANTS), chance.randrange(100, 10_000), int(time.time())
        charge = objects.charge(ids, created_at=now, amount=amount, customer=ids.new("cus"))
        payload = body(event(ids, "charge.succeeded", charge, created_at=now))
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while True:
            begun = time.monotonic()
            try:
                answer = chance.choice(connections).post(
                    f"/webhooks/{tenant}", payload, sign(payload, SECRET, int(time.time()))
                )
            except UndeliverableError:
                answer = None
            if answer is not None and answer.status == 200:
                told.note(tenant, amount, answer.text)
                break
            if answer is not None and answer.status != 503:
                raise RuntimeError(f"a signed event was answered {answer.status} {answer.text}")
            if answer is not None:
                told.refuse(time.monotonic() - begun)
            if time.monotonic() > give_up_at:
                raise RuntimeError(f"an event was not acknowledged within {PATIENCE_SECONDS:g} s")
            time.sleep(0.05)
    for connection in connections:
        connection.close()


def run(
    *,
    kills: int,
    workers: int,
    seed: int,
    one_worker: bool = False,
    folder: Path,
    url: str = "",
    replicas: int = 1,
) -> Outcome:
    """Kill so many times; `url` is the store's, by default a SQLite file in `folder`."""
    chance, told = random.Random(seed), Told()
    exporters = [Exporter(folder, workers, url or f"sqlite:///{folder}/billing.db") for _ in range(replicas)]
    try:
        with sending(seed, [exporter.port for exporter in exporters], told) as failures:
            for _ in range(kills):
                exporter = chance.choice(exporters)
                exporter.wait_until_ready()
                reached = told.acknowledged + chance.randrange(20, 200)
                waited_until = time.monotonic() + START_SECONDS
                while told.acknowledged < reached and time.monotonic() < waited_until and not failures:
                    time.sleep(0.005)
                time.sleep(chance.random() / 50)
                if one_worker:
                    exporter.kill_one_worker(chance)
                else:
                    exporter.kill_all()
            for exporter in exporters:
                exporter.wait_until_ready()
        samples, *others = [exporter.samples() for exporter in exporters]
    finally:
        for exporter in exporters:
            exporter.stop()
    outcome = compared(kills, told, samples)
    if any(billing(other) != billing(samples) for other in others):
        return replace(outcome, wrong=(*outcome.wrong, "the replicas do not say the same"))
    return outcome


@contextmanager
def sending(seed: int, ports: Sequence[int], told: Told) -> Iterator[list[BaseException]]:
    """Post from many threads; give what kept any of them from it, and raise that at the end."""
    stop = threading.Event()
    failures: list[BaseException] = []

    def sender(number: int) -> None:
        try:
            send_until(stop, number, seed, ports, told)
        except BaseException as error:  # noqa: BLE001 - raised again by the one who waits
            failures.append(error)

    senders = [threading.Thread(target=sender, args=(number,)) for number in range(SENDERS)]
    for thread in senders:
        thread.start()
    try:
        yield failures
    finally:
        stop.set()
        for thread in senders:
            thread.join()
    if failures:
        raise failures[0]


def billing(samples: dict[tuple[str, str], int]) -> dict[tuple[str, str], int]:
    """What is of the tenants, not of the process that was asked."""
    return {key: value for key, value in samples.items() if key[0].startswith("billing_")}


def compared(kills: int, told: Told, samples: dict[tuple[str, str], int]) -> Outcome:
    counted = sum(samples[("billing_events_total", tenant)] for tenant in TENANTS)
    pairs = {
        "events": (counted, told.acknowledged),
        "charge attempts": (
            sum(samples[("billing_charge_attempts_total", tenant)] for tenant in TENANTS),
            told.acknowledged,
        ),
        "observations of lag": (
            sum(samples[("billing_webhook_lag_seconds_count", tenant)] for tenant in TENANTS),
            told.acknowledged,
        ),
    }
    for tenant in TENANTS:
        name = "billing_revenue_minor_units_total"
        pairs[f"revenue of {tenant}"] = (samples[(name, tenant)], told.revenue[tenant])
    wrong = tuple(f"{what}: {got}, not {want}" for what, (got, want) in pairs.items() if got != want)
    return Outcome(kills, told, counted, wrong)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1, help="of the moments and the amounts (default: 1)")
    parser.add_argument("--one-worker", action="store_true", help="kill one process at a time, not all")
    parser.add_argument("--storage", choices=("sqlite", "postgres"), default="sqlite")
    args = parser.parse_args()
    options = {name: getattr(args, name) for name in ("kills", "workers", "seed", "one_worker")}
    with tempfile.TemporaryDirectory(prefix="kill9-") as folder:
        if args.storage == "sqlite":
            outcome = run(**options, folder=Path(folder))
        else:
            with running() as server:
                outcome = run(**options, folder=Path(folder), url=server.new_store(), replicas=2)
    print(f"{args.storage}: {outcome}")
    return 1 if outcome.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
