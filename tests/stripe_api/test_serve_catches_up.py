"""A real `serve` asks a Stripe on loopback for what no webhook brought: exactly once, whatever is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bw_exporter.metrics import catalog
from bw_exporter.store import open_store
from bw_simulator.fake_stripe import Account, FakeStripe, Json
from support.exporter import RunningExporter, Start, eventually
from support.patience import limit

from . import books
from .books import SHOP

DAY = 86_400
SECRET = "whsec_shop"
PATIENCE_SECONDS = limit(60)
WITH_KEY = f"""
defaults: {{catch_up: {{every: 1m, after: 1m}}}}
tenants: {{shop: {{webhook_secret: {SECRET}, api_key: rk_live_0123456789}}}}
"""
WITHOUT_KEY = f"tenants: {{shop: {{webhook_secret: {SECRET}}}}}\n"
LIVE_KEY = "rk_live_0123456789"


@pytest.fixture
def began_at() -> int:
    return int(time.time()) - 2 * DAY


@pytest.fixture
def backlog(server: FakeStripe, began_at: int, tmp_path: Path) -> list[Json]:
    """What Stripe made since the store knew the tenant, two days ago, and no webhook brought."""
    server.accounts.clear()
    events = books.lived(1, 400, began_at=began_at)
    server.account(LIVE_KEY).add(*events)
    with closing(open_store(f"sqlite:///{tmp_path}/store.db")) as store:
        store.register([SHOP.id], began_at)
    return events


@pytest.fixture
def expected(backlog: list[Json], began_at: int, tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """What one perfect delivery of the backlog counts."""
    with closing(open_store(f"sqlite:///{tmp_path_factory.mktemp('whole')}/store.db")) as whole:
        whole.register([SHOP.id], began_at)
        books.deliver_all(whole, backlog)
        return books.counts(whole, began_at + 10 * DAY)


@dataclass
class SlowPages:
    """How many pages are being asked for now, and how many were at once at most."""

    now: int = 0
    most: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def before_page(self, _path: str) -> None:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.2)
        with self.lock:
            self.now -= 1


@pytest.fixture
def slow(server: FakeStripe) -> SlowPages:
    """Make each page take a while."""
    pages = SlowPages()
    server.account(LIVE_KEY).before_page = pages.before_page
    return pages


def caught_up(exporter: RunningExporter) -> float:
    return exporter.metric("billing_events_caught_up_total", tenant="shop") or 0


def in_the_middle(exporter: RunningExporter, above: float = 0) -> float:
    eventually(lambda: caught_up(exporter) > above, PATIENCE_SECONDS)
    return caught_up(exporter)


def totals(folder: Path, began_at: int) -> dict[str, int]:
    with closing(open_store(f"sqlite:///{folder}/store.db")) as store:
        return books.counts(store, began_at + 10 * DAY)


def test_kill_9_of_the_process_that_catches_up_and_of_all_processes_loses_and_doubles_nothing(
    start: Start,
    server: FakeStripe,
    backlog: list[Json],
    expected: dict[str, int],
    slow: SlowPages,
    began_at: int,
    tmp_path: Path,
) -> None:
    flags = ("--stripe.api-url", server.url)
    exporter = start(WITH_KEY, *flags)
    seen = in_the_middle(exporter)
    for pid in exporter.workers("catch_up"):
        os.kill(pid, signal.SIGKILL)
    leases_end(tmp_path, slow)
    seen = in_the_middle(exporter, above=seen)
    assert seen < len(backlog)
    for pid in (
        exporter.process.pid,
        *(p for r in ("catch_up", "public", "private") for p in exporter.workers(r)),
    ):
        os.kill(pid, signal.SIGKILL)
    exporter.process.wait()
    leases_end(tmp_path, slow)
    again = start(WITH_KEY, *flags)
    eventually(lambda: again.metric(catalog.CATCH_UP_SUCCESS.name, tenant="shop"), PATIENCE_SECONDS)
    assert caught_up(again) == len(backlog)
    assert again.metric(catalog.LAST_EVENT.name, tenant="shop") == 0
    assert again.metric("billing_webhook_lag_seconds_count", tenant="shop") == 0
    assert again.stop() == 0
    assert totals(tmp_path, began_at) == expected
    assert slow.most == 1
    assert LIVE_KEY not in exporter.log_file.read_text() + again.log_file.read_text()


def leases_end(folder: Path, slow: SlowPages) -> None:
    """Let the lease of a killed process be over, as it is after a minute; what it asked for is answered by then."""
    eventually(lambda: slow.now == 0, PATIENCE_SECONDS)
    from bw_exporter.catch_up.lease import LEASE_SECONDS, hold  # noqa: PLC0415

    with closing(open_store(f"sqlite:///{folder}/store.db")) as store:
        now = int(time.time())
        store.write(
            lambda tx: hold("test", now + LEASE_SECONDS, tx) and hold("test", now - LEASE_SECONDS, tx)
        )


def test_two_replicas_on_one_store_ask_one_at_a_time_and_the_other_goes_on_when_the_first_stops(
    start: Start,
    server: FakeStripe,
    backlog: list[Json],
    expected: dict[str, int],
    slow: SlowPages,
    began_at: int,
    tmp_path: Path,
) -> None:
    first = start(WITH_KEY, "--stripe.api-url", server.url)
    second = start(WITH_KEY, "--stripe.api-url", server.url)
    in_the_middle(first)
    assert first.stop() == 0
    assert caught_up(second) < len(backlog)
    eventually(lambda: second.metric(catalog.CATCH_UP_SUCCESS.name, tenant="shop"), PATIENCE_SECONDS)
    assert caught_up(second) == len(backlog)
    assert second.stop() == 0
    assert slow.most == 1
    assert totals(tmp_path, began_at) == expected
    assert not [e for one in (first, second) for e in one.entries("catch-up failed")]


def test_without_a_key_there_is_no_such_process_and_a_reload_that_brings_the_first_key_starts_it(
    start: Start, server: FakeStripe, backlog: list[Json]
) -> None:
    exporter = start(WITHOUT_KEY, "--stripe.api-url", server.url)
    assert exporter.workers("catch_up") == []
    exporter.config.write_text(WITH_KEY)
    assert exporter.reload().status == 200
    eventually(lambda: caught_up(exporter) == len(backlog), PATIENCE_SECONDS)
    assert len(exporter.workers("catch_up")) == 1
    assert len(exporter.workers("public")) == 2


def test_a_secret_key_is_refused_unless_it_is_allowed(
    start: Start, server: FakeStripe, tmp_path: Path
) -> None:
    config = WITH_KEY.replace("rk_live", "sk_live")
    (tmp_path / "tenants.yaml").write_text(config)
    for command in ("serve", "check-config"):
        done = subprocess.run(
            [sys.executable, "-m", "bw_exporter", command, "--config.file", "tenants.yaml"],
            cwd=tmp_path, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS,
        )  # fmt: skip
        assert (done.returncode, "--allow-secret-key" in done.stderr) == (1, True)
    account: Account = server.account(LIVE_KEY.replace("rk_", "sk_"))
    start(config, "--stripe.api-url", server.url, "--allow-secret-key")
    eventually(lambda: account.asked, PATIENCE_SECONDS)
