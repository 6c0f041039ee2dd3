"""Durable ingest on each store beside bare Flask: same workers and threads, the same load, turn by turn in one run."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.load import Load, Mix, loaded
from benchmarks.row import Row
from benchmarks.servers import Server, exporter, under_gunicorn
from support.postgres import NoPostgresError, running

NEEDED = {"SQLite": 0.6, "PostgreSQL": 0.65}
"""For PostgreSQL, of sales that bring a connection each: its server takes its share of the same cores."""

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
    Kind("shops", kept=False),
    Kind("shops", kept=True),
)


@dataclass(frozen=True, slots=True)
class Round:
    """One round of load on one server, and the CPU seconds that an event took there."""

    load: Load
    cpu_per_event: float


def run(quick: bool) -> list[Row]:  # noqa: FBT001 - every benchmark's signature
    """Return how many events a second are taken in, counted and durable, for each one merely verified."""
    rounds, count = (3, 2500) if quick else (7, 5000)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        servers = {"bare": stack.enter_context(under_gunicorn("bare"))}
        for name, url in _stores(Path(folder), stack):
            (Path(folder) / name).mkdir()
            servers[name] = stack.enter_context(exporter(Path(folder) / name, url, TENANTS))
        for server in servers.values():
            measured(server, 500, "warm", KINDS[0])
        turns: dict[Kind, list[dict[str, Round]]] = {kind: [] for kind in KINDS}
        for number in range(rounds):
            for kind, taken in turns.items():
                seed = f"{kind} {number}"
                taken.append({name: measured(each, count, seed, kind) for name, each in servers.items()})
    stores = [name for name in servers if name != "bare"]
    return [row for kind, taken in turns.items() for name in stores for row in _rows(kind, name, taken)]


def _stores(folder: Path, stack: ExitStack) -> Iterator[tuple[str, str]]:
    """Yield the stores there can be here, and their URLs; PostgreSQL with the durability that it has by default."""
    yield "SQLite", f"sqlite:///{folder}/SQLite/bench.db"
    try:
        yield "PostgreSQL", stack.enter_context(running()).new_store()
    except NoPostgresError as error:
        print(f"PostgreSQL is left out: {error}", file=sys.stderr)


def _rows(kind: Kind, store: str, taken: list[dict[str, Round]]) -> list[Row]:
    pairs = [(each[store], each["bare"]) for each in taken]
    rate = median(mine.load.per_second / theirs.load.per_second for mine, theirs in pairs)
    cpu = median(mine.cpu_per_event / theirs.cpu_per_event for mine, theirs in pairs)
    p99 = median(mine.load.p99 / theirs.load.p99 for mine, theirs in pairs)
    ours_text, bare_text = described([mine for mine, _ in pairs]), described([theirs for _, theirs in pairs])
    asked = store == "SQLite" or kind == KINDS[0]
    needed = NEEDED[store] if asked else 0.0
    verdict = (f">= {needed}", rate >= needed) if asked else ("", None)
    return [
        Row(f"{rate:.2f}", f"{kind}: events/s, durable on {store} : bare Flask", *verdict, ours_text),
        Row(
            f"{cpu:.2f}",
            f"{kind}: CPU per event, durable on {store} : bare Flask",
            figures=f"bare: {bare_text}",
        ),
        Row(f"{p99:.2f}", f"{kind}: p99, durable on {store} : bare Flask"),
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
