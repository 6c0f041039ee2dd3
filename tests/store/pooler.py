"""A real PgBouncer before a PostgreSQL of the tests, where there is one to be had."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import psycopg
import pytest

from bw_rules.verify import tools
from support.patience import limit
from support.postgres import PostgresServer, as_nobody
from support.processes import end, free_ports

Pooling = Literal["session", "transaction", "statement"]

_START_SECONDS = limit(30)
_WAIT_SECONDS = limit(30)


@contextmanager
def pooled(
    server: PostgresServer, pooling: Pooling, size: int, wait_seconds: float = _WAIT_SECONDS
) -> Iterator[str]:
    """Run a pooler with so many connections to each database; give the URL through it, without a database.

    After `wait_seconds` without a free connection it ends the one that waits.
    """
    program = tools.find("pgbouncer")
    if program is None:
        pytest.skip(
            "pgbouncer is neither on PATH nor in .tools/bin; `make tools` fetches it where it can be had"
        )
    (port,) = free_ports(1)
    settings = server.folder / f"pooler-{port}.ini"
    settings.write_text(
        f"[databases]\n* = host={server.folder} port={server.port} user=postgres\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n"
        f"pool_mode = {pooling}\ndefault_pool_size = {size}\nserver_login_retry = 1\n"
        f"query_wait_timeout = {wait_seconds:g}\n"
    )
    url = f"postgresql://postgres@127.0.0.1:{port}"
    with server.log.open("ab") as log:
        command = [program, str(settings)]
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, **as_nobody())
    try:
        until = time.monotonic() + _START_SECONDS
        while not _answers(url):
            said = server.log.read_text()[-1000:]
            assert process.poll() is None, said
            assert time.monotonic() < until, said
            time.sleep(0.05)
        yield url
    finally:
        end(process)


def _answers(url: str) -> bool:
    try:
        psycopg.connect(f"{url}/postgres").close()
    except psycopg.OperationalError:
        return False
    return True
