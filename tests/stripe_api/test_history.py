"""The past of an account, read from Stripe, is what its webhooks would have counted."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from bw_exporter import cli, housekeeping, ingest
from bw_exporter.catch_up.turn import Caught, Wanting, catch_up
from bw_exporter.config.tenants import Tenants
from bw_exporter.errors import BillingWatchError
from bw_exporter.metrics import catalog
from bw_exporter.past import history
from bw_exporter.past.file import Target
from bw_exporter.past.history import InterruptedHistoryError, Wanted
from bw_exporter.store import Store, open_store
from bw_exporter.stripe_api.client import StripeClient
from bw_simulator import fake_stripe
from bw_simulator.fake_stripe import Account, FakeStripe, Json
from support.listener import NOW

from . import books
from .books import SHOP, TYPES
from .conftest import KEY

DAY = 86_400
STEP_SECONDS = 600
TENANTS = Tenants((replace(SHOP, api_key=KEY),), {}, "tenants.yaml")
NOT_COMPARED = catalog.STORE_COMMITS.name
"""Going on takes a commit more."""


@pytest.fixture
def events(account: Account) -> list[Json]:
    """Half a day of a shop, one turn each minute, the last of them an hour ago."""
    found = books.lived(4, 720, began_at=NOW - DAY // 2 - 3600)
    account.add(*found)
    return found


class Past:
    """A history in a folder of its own."""

    def __init__(self, folder: Path, server: FakeStripe) -> None:
        self.wanted = Wanted(
            DAY, folder / "past.om", f"sqlite:///{folder}/store.db", STEP_SECONDS, Target("j", "i")
        )
        self.server = server
        self.shown: list[str] = []

    def write(self, stopped: Callable[[], bool] = lambda: False, tenants: Tenants = TENANTS) -> str:
        return history.write(
            self.wanted,
            tenants,
            lambda key: StripeClient(key, base_url=self.server.url),
            stopped=stopped,
            show=self.shown.append,
            clock=lambda: NOW,
        )

    def samples(self) -> dict[str, int]:
        with closing(open_store(self.wanted.storage_url)) as store:
            return samples(store)

    def lines(self) -> list[str]:
        return [line for line in self.wanted.output.read_text().splitlines() if NOT_COMPARED not in line]


def samples(store: Store) -> dict[str, int]:
    both = {**store.samples(""), **store.samples(SHOP.id)}
    return {line: value for line, value in both.items() if not line.startswith(NOT_COMPARED)}


@pytest.fixture
def past(tmp_path: Path, server: FakeStripe) -> Past:
    return Past(tmp_path, server)


def test_every_series_is_what_webhooks_would_have_made_it(
    past: Past, events: list[Json], tmp_path: Path
) -> None:
    past.write()
    end_at = NOW - 60
    begin_at = end_at - DAY
    with closing(open_store(f"sqlite:///{tmp_path}/webhooks.db")) as store:
        store.register([SHOP.id], begin_at)
        left = list(events)
        for moment in range(begin_at, end_at + 1, STEP_SECONDS):
            while left and left[0]["created"] <= moment:
                event = left.pop(0)
                ingest.receive(json.dumps(event).encode(), SHOP, store, int(event["created"]))
            housekeeping.resolve_due(store, moment)
        expected = samples(store)
    assert past.samples() == expected
    assert expected[f'{catalog.LAST_EVENT.name}{{tenant="shop"}} '] == events[-1]["created"]
    assert expected[f'{catalog.WEBHOOK_LAG.name}_count{{tenant="shop"}} '] == len(events)


def test_the_file_has_the_counts_of_each_moment(past: Past, events: list[Json]) -> None:
    past.write()
    seen = {}
    for line in past.lines():
        if line.startswith("billing_charge_attempts_total{"):
            _, value, at = line.rsplit(" ", 2)
            seen[int(at)] = int(value)
    assert len(seen) == DAY // STEP_SECONDS + 1
    for at, value in seen.items():
        made = {
            e["data"]["object"]["id"]
            for e in events
            if e["type"] in ("charge.succeeded", "charge.failed") and e["created"] <= at
        }
        assert value == len(made)


def test_a_past_that_was_stopped_or_whose_account_did_not_answer_is_gone_on_with_to_the_same_end(
    past: Past, events: list[Json], account: Account, server: FakeStripe, tmp_path: Path
) -> None:
    (tmp_path / "whole").mkdir()
    whole = Past(tmp_path / "whole", server)
    whole.write()
    for turn in range(5):
        steps = iter(range(1000))
        if turn == 2:
            account.failing.append(fake_stripe.RATE_LIMITED)
        with pytest.raises(InterruptedHistoryError, match="run the same command again"):
            past.write(stopped=lambda steps=steps: next(steps) >= 22)  # type: ignore[misc]
        assert not past.wanted.output.exists()
    past.write()
    assert past.samples() == whole.samples()
    assert past.lines() == whole.lines()
    assert [path.name for path in tmp_path.glob("*.part")] == []


def test_a_journal_that_lacks_what_the_store_has_is_made_good(
    past: Past, events: list[Json], server: FakeStripe, tmp_path: Path
) -> None:
    """As after a kill between the commit of a step and the note of it."""
    (tmp_path / "whole").mkdir()
    whole = Past(tmp_path / "whole", server)
    whole.write()
    steps = iter(range(1000))
    with pytest.raises(InterruptedHistoryError):
        past.write(stopped=lambda: next(steps) >= 100)
    part = past.wanted.output.with_name("past.om.part")
    whole_lines = part.read_text().splitlines(keepends=True)
    part.write_text("".join(whole_lines[:-1]) + whole_lines[-1][:20])
    past.write()
    assert past.samples() == whole.samples()
    assert past.lines() == whole.lines()


def test_catch_up_goes_on_from_the_end_of_a_history_and_finds_nothing_missed(
    past: Past, events: list[Json], account: Account, server: FakeStripe
) -> None:
    past.write()
    account.asked.clear()
    with closing(open_store(past.wanted.storage_url)) as store:
        client = StripeClient(KEY, base_url=server.url)
        found = dict(catch_up([Wanting(TENANTS.all[0], TYPES)], client, store, NOW + 600))
    assert found == {SHOP.id: Caught()}
    assert len(account.asked) == 1


def test_a_store_that_knows_the_tenant_is_left_alone(past: Past, events: list[Json]) -> None:
    with closing(open_store(past.wanted.storage_url)) as store:
        store.register([SHOP.id], NOW)
    with pytest.raises(BillingWatchError, match="the store already knows shop"):
        past.write()


def test_a_past_is_gone_on_with_for_the_same_tenants_alone(past: Past, events: list[Json]) -> None:
    with pytest.raises(InterruptedHistoryError):
        past.write(stopped=lambda: True)
    other = Tenants((replace(TENANTS.all[0], id="other"),), {}, "tenants.yaml")
    with pytest.raises(BillingWatchError, match="was begun with other tenants"):
        past.write(tenants=other)


def test_it_says_what_prometheus_would_delete_of_a_month(
    server: FakeStripe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.accounts.clear()
    server.account("rk_live_0123456789")
    config = tmp_path / "tenants.yaml"
    config.write_text("tenants: {shop: {webhook_secret: whsec_shop, api_key: rk_live_0123456789}}")
    status = cli.main(
        ["history", "--config.file", str(config), "--storage.url", f"sqlite:///{tmp_path}/new.db",
         "--output", str(tmp_path / "past.om"), "--step", "1h", "--stripe.api-url", server.url]
    )  # fmt: skip
    shown = capsys.readouterr()
    assert status == 0
    assert "would delete the first 15 days of this again" in shown.out
    assert "--storage.tsdb.retention.time=31d" in shown.out
    assert "30.0 of 30.0 days, 0 events, " in shown.err
