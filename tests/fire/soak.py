"""Full load for an hour, and what grows: PYTHONPATH=tests python -m fire.soak [--minutes 60] [--workers 2]

Senders post distinct sales as fast as they are answered, six events each, and all is scraped every five seconds. Each
minute a line tells memory, open files and threads of each kind of process, the log of writes and the store. At the end
the middle of the last quarter is held against the middle of the second: memory may have grown by a tenth and 8 MiB,
files by those of a passing connection, threads by none, and the log of writes stays where SQLite begins it anew.
What was acknowledged has to be what counts, and no sale may look like an anomaly. Open files are told to root alone,
for the exporter keeps /proc to itself.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from prometheus_client.parser import text_string_to_metric_families

from support.exporter import SECRET, RunningExporter
from support.sales import AMOUNT, sales

from .crowd import Senders

CONFIG = f"tenants: {{prod: {{webhook_secret: {SECRET}, rate_limit: {{rate: 0}}}}}}\n"
SCRAPE_SECONDS = 5.0
LARGEST_LOG_MIB = 64.0
ROLES = ("supervisor", "public", "private")


@dataclass(frozen=True)
class Sample:
    """What one look found: KiB, files and threads are those of the largest process of each role."""

    at_seconds: float
    events: int
    rss_kib: dict[str, int]
    files: dict[str, int]
    threads: dict[str, int]
    log_mib: float
    store_mib: float

    def __str__(self) -> str:
        shown = "  ".join(
            f"{role} {self.rss_kib[role] / 1024:.1f} MiB {self.files[role]} files {self.threads[role]} threads"
            for role in ROLES
        )
        return (
            f"{self.at_seconds / 60:5.1f} min  {self.events} events  {shown}"
            f"  log {self.log_mib:.1f} MiB  store {self.store_mib:.1f} MiB"
        )


def look(exporter: RunningExporter, events: int, begun: float) -> Sample:
    processes = {
        "supervisor": [exporter.process.pid],
        "public": exporter.workers("public"),
        "private": exporter.workers("private"),
    }

    def of(role: str, name: str) -> int:
        status = [Path(f"/proc/{pid}/status").read_text() for pid in processes[role]]
        return max(
            int(line.split()[1]) for text in status for line in text.splitlines() if line.startswith(name)
        )

    def size(suffix: str) -> float:
        path = Path(f"{exporter.store}{suffix}")
        return path.stat().st_size / (1 << 20) if path.exists() else 0.0

    return Sample(
        time.monotonic() - begun,
        events,
        {role: of(role, "VmRSS:") for role in ROLES},
        {role: max(_files(pid) for pid in processes[role]) for role in ROLES},
        {role: of(role, "Threads:") for role in ROLES},
        size("-wal"),
        size(""),
    )


def _files(pid: int) -> int:
    try:
        return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    except PermissionError:
        return 0


def grown(samples: Sequence[Sample]) -> list[str]:
    """Return what grew from the second quarter to the last."""
    quarter = max(len(samples) // 4, 1)
    early, late = samples[quarter : 2 * quarter] or samples[:1], samples[-quarter:]

    def middle(of: Iterable[float]) -> float:
        return median(of)

    found = []
    for role in ROLES:
        before, after = (middle(each.rss_kib[role] for each in part) for part in (early, late))
        if after > before * 1.1 + 8 * 1024:
            found.append(f"memory of {role}: {before / 1024:.1f} to {after / 1024:.1f} MiB")
        for name, slack in (("files", 4), ("threads", 0)):
            before, after = (middle(getattr(each, name)[role] for each in part) for part in (early, late))
            if after > before + slack:
                found.append(f"{name} of {role}: {before:.0f} to {after:.0f}")
    if max(each.log_mib for each in samples) > LARGEST_LOG_MIB:
        found.append(f"the log of writes: {max(each.log_mib for each in samples):.1f} MiB")
    return found


def miscounted(exporter: RunningExporter, acknowledged: int) -> list[str]:
    """Return what the exporter says of the sales that is not so."""
    by_name: Counter[str] = Counter()
    sold = 0
    for family in text_string_to_metric_families(exporter.get("/metrics").text):
        for sample in family.samples:
            by_name[sample.name] += int(sample.value)
            if sample.name == "billing_events_total" and sample.labels["type"] == "charge.succeeded":
                sold = int(sample.value)
    wanted = {
        "billing_events_total": acknowledged,
        "billing_webhook_lag_seconds_count": acknowledged,
        "billing_charge_attempts_total": sold,
        "billing_revenue_minor_units_total": sold * AMOUNT,
        "billing_charge_failures_total": 0,
        "billing_duplicate_charges_total": 0,
    }
    return [
        f"{name} is {by_name[name]}, not {value}" for name, value in wanted.items() if by_name[name] != value
    ]


def run(minutes: float, workers: int, folder: Path) -> tuple[list[Sample], list[str]]:
    stop, samples = threading.Event(), list[Sample]()
    started = RunningExporter(folder, CONFIG, "--web.workers", str(workers), "--log.level", "info")
    with started as exporter:
        exporter.ready()

        def scrape() -> None:
            while not stop.wait(SCRAPE_SECONDS):
                if exporter.get("/metrics").status != 200:
                    raise RuntimeError("a scrape failed")

        scraper = threading.Thread(target=scrape)
        begun = time.monotonic()
        every = min(60.0, minutes * 60 / 20)
        try:
            with Senders(exporter.public, 12, bodies=sales) as senders:
                scraper.start()
                while time.monotonic() - begun < minutes * 60:
                    time.sleep(every)
                    senders.took.clear()
                    samples.append(look(exporter, senders.acknowledged, begun))
                    print(samples[-1], flush=True)
        finally:
            stop.set()
            scraper.join()
        wrong = grown(samples) + senders.failures + miscounted(exporter, senders.acknowledged)
        seconds = time.monotonic() - begun
        print(
            f"{seconds / 60:.1f} minutes, {senders.acknowledged} events, {senders.acknowledged / seconds:.0f}/s"
        )
        return samples, wrong


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        _, wrong = run(args.minutes, args.workers, Path(folder))
    print("flat, and exact" if not wrong else "NOT FLAT: " + "; ".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
