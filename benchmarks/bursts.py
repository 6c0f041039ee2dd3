"""How a burst of kept connections is shared by the workers: by how many more the fullest holds than its share."""

from __future__ import annotations

import socket
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from benchmarks.load import CONNECTIONS
from benchmarks.row import Row
from benchmarks.servers import WORKERS, Server, exporter, tree

_APART_SECONDS = (0.0, 0.0005, 0.005)
"""Between two connections of a burst."""

_SETTLE_SECONDS = 0.3


def run(quick: bool) -> list[Row]:  # noqa: FBT001 - every benchmark's signature
    """Return the connections of the fullest worker for each one of its share."""
    rounds = 8 if quick else 30
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/bench.db"
        with exporter(Path(folder), url, 1) as server:
            fullest = [
                max(burst(server, _APART_SECONDS[number % len(_APART_SECONDS)])) for number in range(rounds)
            ]
    share = CONNECTIONS // WORKERS
    all_taken = sum(most == CONNECTIONS for most in fullest)
    held = f"the fullest held {min(fullest)} to {max(fullest)} of {CONNECTIONS}"
    figures = f"{held}; all of them {all_taken} of {rounds} times"
    return [
        Row(
            f"{median(fullest) / share:.2f}", "connections of the fullest worker : its share", figures=figures
        )
    ]


def burst(server: Server, apart_seconds: float) -> list[int]:
    """Open connections and return how many each public worker has taken, the fewest first."""
    before = {pid: _sockets(pid) for pid in tree(server.pid)}
    with ExitStack() as stack:
        for _ in range(CONNECTIONS):
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            time.sleep(apart_seconds)
        time.sleep(_SETTLE_SECONDS)
        taken = sorted(_sockets(pid) - number for pid, number in before.items())
    time.sleep(_SETTLE_SECONDS)
    return taken[-WORKERS:]


def _sockets(pid: int) -> int:
    """Return how many sockets a process has open, as /proc tells."""
    found = 0
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found += str(descriptor.readlink()).startswith("socket:")
        except OSError:  # closed meanwhile
            continue
    return found
