"""Whether ingest slows down as event ids are remembered: none, and ten million of the last 35 days."""

from __future__ import annotations

import sqlite3
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path
from statistics import median

from benchmarks.ingest import TENANTS, Kind, described, measured
from benchmarks.load import tenant_name
from benchmarks.row import Row
from benchmarks.servers import exporter
from bw_exporter.store import open_store
from bw_exporter.store.retention import EVENT_IDS_SECONDS

NEEDED = 1 / 1.3
KIND = Kind("sales", kept=False)


def run(quick: bool) -> list[Row]:  # noqa: FBT001 - every benchmark's signature
    """Return events a second beside ten million ids for each one beside none."""
    known, rounds, count = (1_000_000, 2, 2500) if quick else (10_000_000, 5, 5000)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        for name in ("none", "many"):
            Path(folder, name).mkdir()
        fill(f"{folder}/many/bench.db", known)
        servers = [
            stack.enter_context(exporter(Path(folder, name), f"sqlite:///{folder}/{name}/bench.db", TENANTS))
            for name in ("many", "none")
        ]
        for server in servers:
            measured(server, 500, "warm", KIND)
        pairs = [
            [measured(server, count, f"{KIND} {number}", KIND) for server in servers]
            for number in range(rounds)
        ]
    ratio = median(many.load.per_second / none.load.per_second for many, none in pairs)
    figures = f"{described([many for many, _ in pairs])}; none: {described([none for _, none in pairs])}"
    what = f"{KIND}: events/s, {known} event ids remembered : none"
    return [Row(f"{ratio:.2f}", what, f">= {NEEDED:.2f}", ratio >= NEEDED, figures)]


def fill(path: str, known: int) -> None:
    """Write event ids of all the time that they are kept, as ingest would have."""
    open_store(f"sqlite:///{path}").close()
    now = int(time.time())
    tenants = [tenant_name(number) for number in range(TENANTS)]
    ids = (
        (
            now - EVENT_IDS_SECONDS + number * EVENT_IDS_SECONDS // known,
            tenants[number % TENANTS],
            f"evt_1Q{number:022x}",
        )
        for number in range(known)
    )
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.executemany("INSERT INTO events VALUES (?, ?, ?)", ids)
