"""Each account is asked in its time; what fails is counted, logged once, and asked again later."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bw_exporter import probed
from bw_exporter.catch_up import lease
from bw_exporter.catch_up.accounts import ENDPOINTS_EVERY_SECONDS, AccountTurns, wanting
from bw_exporter.catch_up.running import run
from bw_exporter.config.current import ConfigState, CurrentConfig
from bw_exporter.config.tenants import CatchUp, Tenant, Tenants
from bw_exporter.metrics import catalog
from bw_exporter.metrics.family import Family
from bw_exporter.metrics.series import series
from bw_exporter.store import Store, open_store
from bw_exporter.stripe_api.client import StripeClient
from bw_simulator import fake_stripe
from bw_simulator.fake_stripe import Account, FakeStripe, Refusal
from support.listener import NOW, tenant
from support.patience import limit

from .conftest import KEY


class Turns:
    """Two tenants of one account, and a clock that moves only when told to."""

    def __init__(self, store: Store, server: FakeStripe, **fields: Any) -> None:
        self.now = NOW + 3600.0
        self.store = store
        self.tenants = Tenants(
            tuple(tenant(id=name, path=name, api_key=KEY, **fields) for name in ("a", "b")),
            {},
            "tenants.yaml",
        )
        store.register(["a", "b"], NOW)
        self.turns = AccountTurns(
            store, lambda key: StripeClient(key, base_url=server.url), lambda: self.now, webhook_url=""
        )

    def ask(self) -> int:
        """Ask whoever is due; return how many accounts that were."""
        due = self.turns.due(self.tenants)
        for account in due:
            self.turns.begin(account)
            self.turns.ask(account)
        return len(due)

    def value(self, family: Family, *values: str, of: str = "a") -> int | None:
        return self.store.samples(of).get(series(family, of, values).line)


@pytest.fixture
def turns(tmp_path: Path, server: FakeStripe, account: Account) -> Iterator[Turns]:
    with closing(open_store(f"sqlite:///{tmp_path}/store.db")) as store:
        yield Turns(store, server)


def test_tenants_without_a_key_or_with_catch_up_turned_off_are_not_asked_for() -> None:
    def of(**fields: Any) -> Tenant:
        return tenant(**fields)

    some = Tenants(
        (of(id="a"), of(id="b", api_key=KEY, catch_up=CatchUp(0, 300)), of(id="c", api_key=KEY)), {}, "f"
    )
    assert [[one.id for one in account.tenants] for account in wanting(some)] == [["c"]]
    assert KEY not in repr(wanting(some))


def test_an_account_is_asked_every_two_minutes_and_after_failures_less_and_less_often(
    turns: Turns, account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    assert [turns.ask(), turns.ask()] == [1, 0]
    turns.now += 120
    waits = []
    with caplog.at_level(logging.INFO):
        for _ in range(7):
            account.failing.append(fake_stripe.BROKEN)
            assert turns.ask() == 1
            began = turns.now
            while not turns.turns.due(turns.tenants):
                turns.now += 60
            waits.append(turns.now - began)
        assert waits == [240, 480, 960, 1800, 1800, 1800, 1800]
        assert turns.value(catalog.CATCH_UP_ERRORS, "other") == 7
        assert turns.value(catalog.CATCH_UP_ERRORS, "other", of="b") == 7
        assert turns.ask() == 1
    assert [
        record.message for record in caplog.records if record.name.startswith("bw_exporter.catch_up")
    ] == [
        "Stripe cannot be asked for events that no webhook brought",
        "Stripe answers again",
    ]
    assert KEY not in caplog.text


def test_what_stripe_says_of_how_long_to_wait_is_waited_for(turns: Turns, account: Account) -> None:
    account.failing.append(Refusal.error(429, "Too many", "rate_limit", Retry_After="900"))
    turns.ask()
    turns.now += 899
    assert turns.ask() == 0
    turns.now += 1
    assert turns.ask() == 1
    assert turns.value(catalog.CATCH_UP_ERRORS, "rate_limited") == 1


def test_one_tenant_of_an_account_has_missed_what_the_other_has_seen(turns: Turns, account: Account) -> None:
    event = {"id": "evt_1", "object": "event", "type": "payout.paid", "created": NOW + 60, "livemode": True,
             "data": {"object": {"id": "po_1", "object": "payout", "status": "paid"}}}  # fmt: skip
    account.add(event)
    turns.ask()
    assert turns.value(catalog.EVENTS_CAUGHT_UP) == turns.value(catalog.EVENTS_CAUGHT_UP, of="b") == 1
    assert turns.value(catalog.PAYOUTS, "paid") == 1


def test_the_gauge_of_an_endpoint_exists_once_it_was_seen_and_a_deleted_one_is_not_enabled(
    turns: Turns, account: Account
) -> None:
    def seen(status: str | None) -> tuple[int | None, int | None]:
        endpoint = {"id": "we_1", "url": "https://x.example/pay/webhooks/a", "status": status, "created": 1}
        account.lists["webhook_endpoints"] = [{**endpoint, "enabled_events": ["*"]}] if status else []
        turns.now += ENDPOINTS_EVERY_SECONDS
        turns.ask()
        return turns.value(catalog.ENDPOINT_ENABLED), turns.value(catalog.ENDPOINT_ENABLED, of="b")

    assert seen(None) == (None, None)
    assert seen("disabled") == (0, None)
    assert seen("enabled") == (1, None)
    assert seen(None) == (0, None)
    account.forbidden["webhook_endpoints"] = "rak_webhook_read"
    assert seen("enabled") == (0, None)
    assert turns.value(catalog.CATCH_UP_ERRORS, "permission") == 0


def test_the_list_of_endpoints_is_read_every_ten_minutes_and_that_of_events_at_every_turn(
    turns: Turns, account: Account
) -> None:
    for _ in range(10):
        turns.ask()
        turns.now += 120
    assert sum("webhook_endpoints?limit=100" in path for path in account.asked) == 2 + 1, (
        "and once by the probe"
    )
    assert sum("/v1/events?limit=100" in path for path in account.asked) == 10, "for both tenants at once"


def test_what_a_key_may_do_is_looked_at_once_a_day_and_when_it_works_again_for_all_tenants_at_once(
    turns: Turns, account: Account
) -> None:
    account.forbidden["payouts"] = "rak_payout_read"

    def looked() -> int:
        return sum("payouts" in path for path in account.asked)

    def todo(of: str) -> list[str]:
        return [check.name for check in probed.kept(turns.store, of).checks if check.todo]

    turns.ask()
    assert probed.kept(turns.store, "a").at == turns.now
    assert todo("a") == todo("b") == ["payouts", "endpoint"]
    account.forbidden.clear()
    turns.now += 120
    turns.ask()
    assert looked() == 1
    turns.now += 86_400
    turns.ask()
    assert (looked(), todo("b")) == (2, ["endpoint"])
    account.failing.extend([fake_stripe.REVOKED] * 2)
    turns.now += 120
    turns.ask()
    assert todo("a") == ["key"]
    assert turns.value(catalog.CATCH_UP_ERRORS, "authentication", of="b") == 1
    turns.now += 240
    turns.ask()
    assert todo("a") == ["endpoint"]


def test_one_process_at_a_time_asks_and_another_takes_over_when_it_ends_or_is_killed(turns: Turns) -> None:
    def hold(who: str, at: int) -> bool:
        return turns.store.write(partial(lease.hold, who, at))

    assert [hold("one", 0), hold("two", 59), hold("one", 30), hold("two", 60)] == [True, False, True, False]
    assert hold("two", 90)
    turns.store.write(partial(lease.give_back, "one"))
    assert not hold("one", 100)
    turns.store.write(partial(lease.give_back, "two"))
    assert hold("one", 100)


def test_it_runs_until_it_is_told_to_stop_and_gives_the_lease_back(turns: Turns, account: Account) -> None:
    state = ConfigState(turns.tenants, NOW, last_reload_successful=True, problems=(), attempted_monotonic=0)
    stop = threading.Event()
    thread = threading.Thread(target=run, args=(turns.turns, CurrentConfig(state), turns.store, "me", stop))
    thread.start()
    until = time.monotonic() + limit(15)
    while not account.asked and time.monotonic() < until:
        time.sleep(0.02)
    stop.set()
    thread.join()
    assert account.asked
    assert turns.store.write(partial(lease.hold, "another", turns.turns.now()))
