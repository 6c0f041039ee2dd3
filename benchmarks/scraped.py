"""How long events wait while Prometheus scrapes 10,000 tenants every five seconds, and while it does not."""

from __future__ import annotations

import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from benchmarks.load import Load, loaded
from benchmarks.row import Row
from benchmarks.scrape import TENANTS, filled_store
from benchmarks.servers import Server, exporter

EVERY_SECONDS = 5.0
NEEDED_TIMES = 2.0
STEADY = 300.0
"""Events a second; an account with a million sales a month averages two."""


def run(quick: bool) -> list[Row]:  # noqa: FBT001 - every benchmark's signature
    """Return p99 with scrapes for p99 without, at a steady rate and at all that goes."""
    rounds, steady, full = (2, 3000, 15_000) if quick else (4, 6000, 40_000)
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/bench.db"
        filled_store(url, TENANTS)[0].close()
        with exporter(Path(folder), url, TENANTS) as server:
            _posted(server, 500, "warm", 0.0)
            return [
                _row(server, rounds, steady, STEADY, f"{STEADY:.0f} events/s"),
                _row(server, rounds, full, 0.0, "as many events as it takes"),
            ]


def _row(server: Server, rounds: int, count: int, per_second: float, what: str) -> Row:
    pairs = []
    for number in range(rounds):
        calm = _posted(server, count, f"{what} calm {number}", per_second)
        with _scraping(server):
            pairs.append((calm, _posted(server, count, f"{what} scraped {number}", per_second)))
    ratio = median(scraped.p99 / calm.p99 for calm, scraped in pairs)
    calm99, scraped99 = (median(1e3 * load.p99 for load in loads) for loads in zip(*pairs, strict=True))
    rates = [median(load.per_second for load in loads) for loads in zip(*pairs, strict=True)]
    figures = f"{calm99:.1f} and {scraped99:.1f} ms, at {rates[0]:.0f} and {rates[1]:.0f}/s"
    text = f"{what}: p99, {TENANTS} tenants scraped every {EVERY_SECONDS:.0f} s : not scraped"
    return Row(f"{ratio:.2f}", text, f"<= {NEEDED_TIMES:.0f}", ratio <= NEEDED_TIMES, figures)


def _posted(server: Server, count: int, seed: str, per_second: float) -> Load:
    load = loaded(server.port, count=count, seed=seed, tenants=TENANTS, per_second=per_second)
    if load.refused:
        raise RuntimeError(f"{load.refused} of {count} events were refused")
    return load


@contextmanager
def _scraping(server: Server) -> Iterator[None]:
    """Scrape as Prometheus does, gzip included."""
    over = threading.Event()

    def scrape() -> None:
        address = f"http://127.0.0.1:{server.metrics_port}/metrics"
        request = urllib.request.Request(address, headers={"Accept-Encoding": "gzip"})
        while not over.is_set():
            with urllib.request.urlopen(request) as answer:  # noqa: S310 - our own
                answer.read()
            over.wait(EVERY_SECONDS)

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
