"""Kill the primary of two PostgreSQL servers under load, promote the other, and compare what was acknowledged with
what counts.

    PYTHONPATH=tests python -m chaos.failover --times 10

Two replicas of the exporter know both servers by one URL. The standby is synchronous. After each fail-over the one that
was killed is made anew as the standby of the other, so that the next goes the other way.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from support.patience import limit
from support.postgres import QUICK, PostgresServer
from support.processes import free_ports

from . import kill9
from .kill9 import Exporter, Told

SOON = limit(60)


@dataclass
class Pair:
    """A primary and its synchronous standby."""

    primary: PostgresServer
    standby: PostgresServer

    def new_store(self) -> str:
        """Return the URL of an empty database, with the primary as its first host."""
        name = f"store_{time.monotonic_ns()}"
        self.primary.sql(f"CREATE DATABASE {name}")
        hosts = ",".join(f"127.0.0.1:{each.port}" for each in (self.primary, self.standby))
        return f"postgresql://postgres@{hosts}/{name}?target_session_attrs=read-write"

    def synchronise(self) -> None:
        """Have the primary acknowledge nothing any more that the standby does not have."""
        self.primary.sql("ALTER SYSTEM SET synchronous_standby_names = '*'")
        self.primary.sql("SELECT pg_reload_conf()")
        until = time.monotonic() + SOON
        while self.primary.sql("SELECT sync_state FROM pg_stat_replication") != [("sync",)]:
            if time.monotonic() > until:
                raise RuntimeError("the standby does not follow:\n" + self.standby.log.read_text()[-3000:])
            time.sleep(0.02)
        self.primary.sql("CHECKPOINT")  # done by the process that hands the setting on to all others

    def fail_over(self) -> None:
        """Promote the standby of a killed primary; they change places."""
        assert self.standby.sql("SELECT pg_promote()") == [(True,)]
        self.primary, self.standby = self.standby, self.primary

    def rebuild(self) -> None:
        """Make the standby anew from the primary."""
        self.standby.follow(self.primary)
        self.standby.start()
        self.synchronise()


@contextmanager
def replicated() -> Iterator[Pair]:
    """Run a pair; raises NoPostgresError."""
    with ExitStack() as running:
        first, second = free_ports(2)
        primary = PostgresServer(QUICK, port=first)
        running.callback(primary.remove)
        primary.start()
        standby = PostgresServer(QUICK, port=second, follows=primary)
        running.callback(standby.remove)
        standby.start()
        pair = Pair(primary, standby)
        pair.synchronise()
        yield pair


@dataclass
class Load:
    """Two replicas on a pair, and the senders that post to either."""

    exporters: list[Exporter]
    told: Told
    failures: list[BaseException]

    def await_acknowledged(self, more: int) -> None:
        """Wait until so many more events are acknowledged."""
        wanted = self.told.acknowledged + more
        self._await(lambda: self.told.acknowledged >= wanted)

    def await_refused(self) -> None:
        """Wait until another try is answered 503."""
        before = self.told.refused
        self._await(lambda: self.told.refused > before)

    def _await(self, holds: Callable[[], bool]) -> None:
        until = time.monotonic() + SOON
        while not holds():
            if self.failures or time.monotonic() > until:
                raise RuntimeError(f"it never came true: {self.failures}")
            time.sleep(0.002)

    def processes(self) -> list[str]:
        """Return the ids of all processes of the exporters."""
        return [
            Path(f"/proc/{each.process.pid}/task/{each.process.pid}/children").read_text()
            for each in self.exporters
        ]

    def wrong(self) -> tuple[str, ...]:
        """Compare what both replicas say with what was acknowledged; the senders have stopped."""
        samples, *others = [exporter.samples() for exporter in self.exporters]
        wrong = kill9.compared(0, self.told, samples).wrong
        if any(kill9.billing(other) != kill9.billing(samples) for other in others):
            return (*wrong, "the replicas do not say the same")
        return wrong


@contextmanager
def exporting(folder: Path, url: str) -> Iterator[list[Exporter]]:
    """Run two replicas of the exporter on one store."""
    exporters = [Exporter(folder, 1, url) for _ in range(2)]
    try:
        for each in exporters:
            each.wait_until_ready()
        yield exporters
    finally:
        for each in exporters:
            each.stop()


@contextmanager
def loaded(exporters: list[Exporter], told: Told, seed: int) -> Iterator[Load]:
    """Post to the exporters meanwhile."""
    with kill9.sending(seed, [each.port for each in exporters], told) as failures:
        yield Load(exporters, told, failures)


@dataclass(frozen=True)
class Outcome:
    """What became of a run. `seconds` are from the order to promote to the first acknowledged event."""

    told: Told
    seconds: list[float]
    restarted: bool
    wrong: tuple[str, ...] = field(default=())

    def __str__(self) -> str:
        verdict = "exact" if not self.wrong else "NOT EXACT: " + "; ".join(self.wrong)
        return (
            f"{len(self.seconds)} fail-overs: {self.told.acknowledged} acknowledged,"
            f" {self.told.redelivered} redelivered; from the order to promote to the first 200 at most"
            f" {max(self.seconds) * 1000:.0f} ms: {verdict}"
        )


def run(pair: Pair, folder: Path, *, times: int, seed: int) -> Outcome:
    """Fail over so many times."""
    chance, told, seconds = random.Random(seed), Told(), list[float]()
    with exporting(folder, pair.new_store()) as exporters:
        with loaded(exporters, told, seed) as load:
            load.await_acknowledged(50)
            before = load.processes()
            for number in range(times):
                if number:
                    pair.rebuild()
                load.await_acknowledged(chance.randrange(300))
                time.sleep(chance.random() / 50)
                pair.primary.kill()
                time.sleep(chance.random())
                promoted_at = time.monotonic()
                pair.fail_over()
                load.await_acknowledged(1)
                seconds.append(time.monotonic() - promoted_at)
            load.await_acknowledged(50)
            restarted = load.processes() != before
        return Outcome(told, seconds, restarted, load.wrong())


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1, help="of the moments and the amounts (default: 1)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="failover-") as folder, replicated() as pair:
        outcome = run(pair, Path(folder), times=args.times, seed=args.seed)
    print(outcome)
    return 1 if outcome.wrong or outcome.restarted else 0


if __name__ == "__main__":
    sys.exit(main())
