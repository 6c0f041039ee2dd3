"""Ways to receive a shop's sales, each beside bare Flask: what durability, exactness and a database cost."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from benchmarks.ingest import TENANTS, Kind, Round, described, measured
from benchmarks.row import Row
from benchmarks.servers import Server, exporter, under_gunicorn
from support.postgres import NoPostgresError, running

KINDS = (Kind("sales", kept=False), Kind("sales", kept=True))


def run(quick: bool) -> list[Row]:  # noqa: FBT001 - every benchmark's signature
    """Return each receiver's events a second for each one that bare Flask takes."""
    rounds, count = (2, 2500) if quick else (5, 5000)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        servers = dict(_servers(Path(folder), stack))
        for server in servers.values():
            measured(server, 500, "warm", KINDS[0])
        turns: dict[Kind, list[dict[str, Round]]] = {kind: [] for kind in KINDS}
        for number in range(rounds):
            for kind, taken in turns.items():
                seed = f"{kind} {number}"
                taken.append({name: measured(each, count, seed, kind) for name, each in servers.items()})
    names = [name for name in servers if name != "bare Flask"]
    return [_row(kind, name, taken) for kind, taken in turns.items() for name in names]


def _servers(folder: Path, stack: ExitStack) -> Iterator[tuple[str, Server]]:
    """Yield every receiver, running; PostgreSQL's with the durability that it has by default."""
    yield "bare Flask", stack.enter_context(under_gunicorn("bare"))
    for part in ("sqlite", "postgres", "files"):
        (folder / part).mkdir()
    ours = exporter(folder / "sqlite", f"sqlite:///{folder}/sqlite/bench.db", TENANTS)
    yield "this on SQLite", stack.enter_context(ours)
    try:
        url = stack.enter_context(running()).new_store()
    except NoPostgresError as error:
        print(f"PostgreSQL is left out: {error}", file=sys.stderr)
    else:
        yield "this on PostgreSQL", stack.enter_context(exporter(folder / "postgres", url, TENANTS))
    alone = {"BENCH_STORE": f"sqlite:///{folder}/one.db", "BENCH_TENANTS": str(TENANTS)}
    yield "this, a transaction each", stack.enter_context(under_gunicorn("one_by_one", alone))
    yield "counters in memory", stack.enter_context(under_gunicorn("in_memory"))
    files = {"PROMETHEUS_MULTIPROC_DIR": str(folder / "files")}
    yield "counters in files", stack.enter_context(under_gunicorn("in_memory", files))


def _row(kind: Kind, name: str, taken: list[dict[str, Round]]) -> Row:
    pairs = [(each[name], each["bare Flask"]) for each in taken]
    rate = median(mine.load.per_second / bare.load.per_second for mine, bare in pairs)
    cpu = median(mine.cpu_per_event / bare.cpu_per_event for mine, bare in pairs)
    what = f"{kind}: events/s, {name} : bare Flask (CPU {cpu:.2f})"
    return Row(f"{rate:.2f}", what, figures=described([mine for mine, _ in pairs]))
