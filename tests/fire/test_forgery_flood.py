"""A flood of forged requests, 100,000 a minute: honest events are answered, and the disk does not grow by it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from support.exporter import SECRET, RunningExporter, Start, eventually

from .crowd import LONG, Senders, percentile, store_bytes

PER_SECOND = 100_000 // 60
SECONDS = 60 if LONG else 2
NO_LIMIT = f"tenants: {{prod: {{webhook_secret: {SECRET}, rate_limit: {{rate: 0}}}}}}\n"


class Flood:
    """A process of its own that posts forged requests at a steady rate over 16 connections."""

    def __init__(self, port: int) -> None:
        command = [sys.executable, str(Path(__file__).with_name("forger.py")), str(port), str(PER_SECOND)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        assert self._process.stdout.readline() == "flooding\n"

    def stop(self) -> tuple[int, float]:
        """End it; return how many were answered 400, and how many a second."""
        said, _ = self._process.communicate(timeout=30)
        answered, seconds = said.split()
        return int(answered), int(answered) / float(seconds)


@pytest.mark.parametrize(
    "senders",
    [
        pytest.param(1, id="steady"),
        pytest.param(
            8,
            id="as fast as they can",
            marks=pytest.mark.skipif(not LONG, reason="takes all cores for a minute: make chaos has it"),
        ),
    ],
)
def test_honest_events_are_counted_beside_a_flood_of_forged_ones(
    start: Start, senders: int, figure: Callable[[str], None]
):
    exporter = start(NO_LIMIT)
    pause = 0.02 if senders == 1 else 0.0
    with Senders(exporter.public, senders, pause=pause, name="alone") as alone:
        alone.wait_for_seconds(SECONDS)
    before = store_bytes(exporter)
    flood = Flood(exporter.public)
    try:
        with Senders(exporter.public, senders, pause=pause, name="beside") as beside:
            beside.wait_for_seconds(SECONDS)
    finally:
        forged, rate = flood.stop()
    eventually(lambda: exporter.requests("bad_signature") == forged)
    assert set(beside.answers) == {200}
    accepted = exporter.metric("billing_events_total", tenant="prod", type="other")
    assert accepted == alone.acknowledged + beside.acknowledged
    figure(
        f"honest {alone.per_second:.0f}/s alone, {beside.per_second:.0f}/s ({beside.per_second / alone.per_second:.2f})"
        f" beside {rate:.0f} forged/s; p99 {percentile(alone.took, 99) * 1000:.0f}"
        f" and {percentile(beside.took, 99) * 1000:.0f} ms; disk {before >> 10} and {store_bytes(exporter) >> 10} KiB"
    )


def test_a_flood_of_forged_requests_is_one_commit_a_second_of_each_worker_and_no_growth(
    start: Start, figure: Callable[[str], None]
):
    """SQLite's log of writes grows to 16 MiB and is begun anew, so the store itself is what is compared."""
    exporter = start()
    assert exporter.send("first").status == 200
    forge_one(exporter)  # the rows of these refusals are there from here on
    before, begun = store_bytes(exporter), time.monotonic()
    commits = exporter.metric("billingwatch_store_commits_total")
    flood = Flood(exporter.public)
    time.sleep(SECONDS)
    forged, rate = flood.stop()
    eventually(lambda: exporter.requests("bad_signature") == forged + 1)
    committed = exporter.metric("billingwatch_store_commits_total")
    grown, took = store_bytes(exporter) - before, time.monotonic() - begun
    assert forged > 0
    assert committed is not None
    assert commits is not None
    workers = len(exporter.workers("public"))
    # A worker waits for a second after each, so it has one more than whole seconds at most, however slow it is.
    assert committed - commits <= (took + 1) * workers
    assert grown == 0
    figure(
        f"{forged} forged, {rate:.0f}/s: {committed - commits:.0f} commits, the store grew by {grown} bytes"
    )


def forge_one(exporter: RunningExporter) -> None:
    assert exporter.send("forged", secret="whsec_of_somebody_else_entirely_00").status == 400
    eventually(lambda: exporter.requests("bad_signature") == 1)
