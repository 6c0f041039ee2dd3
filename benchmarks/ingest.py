"""Durable ingest beside bare Flask: same workers and threads, the same load, turn by turn in one run."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.load import Load, Mix, loaded
from benchmarks.row import Row
from benchmarks.servers import Server, exporter, under_gunicorn

NEEDED = 0.6
TENANTS = 20


@dataclass(frozen=True, slots=True)
class Kind:
    """What is sent, and whether connections are kept, as a proxy's are, or each event brings its own."""

    mix: Mix
    kept: bool

    def __str__(self) -> str:
        """Return it as the table says it."""
        return f"{self.mix}, {'kept connections' if self.kept else 'a connection each'}"


KINDS = (
    Kind("sales", kept=False),
    Kind("sales", kept=True),
    Kind("charges", kept=False),
    Kind("charges", kept=True),
)


@dataclass(frozen=True, slots=True)
class Round:
    """One round of load on one server, and the CPU seconds that an event took there."""

    load: Load
    cpu_per_event: float


def run(quick: bool) -> list[Row]:  # noqa: FBT001 - every benchmark's signature
    """Return how many events a second are taken in, counted and durable, for each one merely verified."""
    rounds, count = (3, 2500) if quick else (7, 5000)
    with (
        tempfile.TemporaryDirectory() as folder,
        under_gunicorn("bare") as bare,
        exporter(Path(folder), f"sqlite:///{folder}/bench.db", TENANTS) as ours,
    ):
        for server in (bare, ours):
            measured(server, 500, "warm", KINDS[0])
        turns: dict[Kind, list[tuple[Round, Round]]] = {kind: [] for kind in KINDS}
        for number in range(rounds):
            for kind, pairs in turns.items():
                seed = f"{kind} {number}"
                pairs.append((measured(ours, count, seed, kind), measured(bare, count, seed, kind)))
    return [row for kind, pairs in turns.items() for row in _rows(kind, pairs)]


def _rows(kind: Kind, pairs: list[tuple[Round, Round]]) -> list[Row]:
    rate = median(mine.load.per_second / theirs.load.per_second for mine, theirs in pairs)
    cpu = median(mine.cpu_per_event / theirs.cpu_per_event for mine, theirs in pairs)
    p99 = median(mine.load.p99 / theirs.load.p99 for mine, theirs in pairs)
    ours_text, bare_text = described([mine for mine, _ in pairs]), described([theirs for _, theirs in pairs])
    return [
        Row(f"{rate:.2f}", f"{kind}: events/s, durable : bare Flask", ">= 0.6", rate >= NEEDED, ours_text),
        Row(f"{cpu:.2f}", f"{kind}: CPU per event, durable : bare Flask", figures=f"bare: {bare_text}"),
        Row(f"{p99:.2f}", f"{kind}: p99, durable : bare Flask"),
    ]


def measured(server: Server, count: int, seed: str, kind: Kind) -> Round:
    """Put one round of load on a server; raises RuntimeError where it refuses an event."""
    before = server.cpu_seconds()
    load = loaded(server.port, count=count, seed=seed, tenants=TENANTS, mix=kind.mix, kept=kind.kept)
    if load.refused:
        raise RuntimeError(f"{load.refused} of {count} events were refused")
    return Round(load, (server.cpu_seconds() - before) / count)


def described(rounds: list[Round]) -> str:
    """Return the medians of a server's rounds."""
    per_second = median(each.load.per_second for each in rounds)
    cpu = median(each.cpu_per_event for each in rounds)
    p50, p99 = (median(getattr(each.load, name) for each in rounds) for name in ("p50", "p99"))
    return f"{per_second:.0f}/s, {cpu * 1e6:.0f} µs CPU, p50 {p50 * 1e3:.0f} ms, p99 {p99 * 1e3:.0f} ms"
