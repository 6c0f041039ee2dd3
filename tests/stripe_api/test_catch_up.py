"""What no webhook brought is counted by catch-up, exactly once, whatever comes when."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bw_exporter.catch_up.turn import Caught, Wanting, catch_up, expected_types
from bw_exporter.config.tenants import CatchUp
from bw_exporter.metrics import catalog
from bw_exporter.metrics.family import Family
from bw_exporter.metrics.series import series
from bw_exporter.store import Store, open_store
from bw_exporter.stripe_api.client import StripeClient
from bw_exporter.stripe_api.endpoints import Endpoint
from bw_exporter.stripe_api.errors import StripeApiError
from bw_simulator import fake_stripe
from bw_simulator.fake_stripe import Account, FakeStripe, Json
from bw_simulator.shop.traffic import Shop
from support.listener import NOW

from . import books
from .books import SHOP, TYPES, deliver
from .conftest import KEY

FAILURES = (
    fake_stripe.BROKEN, fake_stripe.RATE_LIMITED, fake_stripe.HTML, fake_stripe.REVOKED, fake_stripe.Drop(),
)  # fmt: skip
AFTER_SECONDS = SHOP.catch_up.after_seconds


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(opened(tmp_path / "store.db")) as found:
        yield found


def opened(path: Path) -> Store:
    found = open_store(f"sqlite:///{path}")
    found.register([SHOP.id], NOW)
    return found


def lived(seed: int, turns: int) -> list[Json]:
    return books.lived(seed, turns, began_at=NOW)


def turn(store: Store, server: FakeStripe, now: int, types: frozenset[str] = TYPES) -> Caught:
    client = StripeClient(KEY, base_url=server.url)
    return dict(catch_up([Wanting(SHOP, types)], client, store, now))[SHOP.id]


def value(store: Store, family: Family, *values: str) -> int:
    return store.samples(SHOP.id).get(series(family, SHOP.id, values).line, 0)


def counts(store: Store) -> dict[str, int]:
    return books.counts(store, NOW + 200_000)


def test_what_no_webhook_brought_is_counted_and_what_one_brought_is_not_counted_again(
    store: Store, account: Account, server: FakeStripe
) -> None:
    events = lived(1, 60)
    account.add(*events)
    for event in events[::2]:
        deliver(store, event, int(event["created"]) + 1)
    later = NOW + 7200
    before = value(store, catalog.LAST_EVENT), value(store, catalog.WEBHOOK_REQUESTS, "accepted")
    found = turn(store, server, later)
    assert found == Caught(len(events[1::2]), int(events[1]["created"]))
    assert value(store, catalog.EVENTS_CAUGHT_UP) == found.missed
    assert (value(store, catalog.LAST_EVENT), value(store, catalog.WEBHOOK_REQUESTS, "accepted")) == before
    assert value(store, catalog.CATCH_UP_SUCCESS) == later
    assert turn(store, server, later + 120) == Caught()
    deliver(store, events[1], later + 200)
    assert value(store, catalog.EVENTS_IGNORED, "redelivered") == 1
    assert value(store, catalog.EVENTS_CAUGHT_UP) == found.missed


def test_an_event_is_left_to_its_webhook_for_as_long_as_it_may_be_on_its_way(
    store: Store, account: Account, server: FakeStripe
) -> None:
    event = lived(2, 30)[-1]
    account.add(event)
    made_at = int(event["created"])
    assert turn(store, server, made_at + AFTER_SECONDS - 1).missed == 0
    assert value(store, catalog.STRIPE_NEWEST_EVENT) == 0
    assert turn(store, server, made_at + AFTER_SECONDS).missed == 1
    assert value(store, catalog.STRIPE_NEWEST_EVENT) == made_at


def test_tenants_of_one_account_are_asked_for_at_once_and_each_gets_what_is_its_own(
    store: Store, account: Account, server: FakeStripe
) -> None:
    """One is known for longer, one waits longer for webhooks, one selects fewer types."""
    events = lived(8, 240)
    account.add(*events)
    late, patient, picky = (replace(SHOP, id=name, path=name) for name in ("late", "patient", "picky"))
    patient = replace(patient, catch_up=CatchUp(120, 3600))
    store.register([patient.id, picky.id], NOW)
    store.register([late.id], NOW + 7200)
    wanting = [
        Wanting(each, TYPES if each is not picky else frozenset({"charge.failed"}))
        for each in (SHOP, late, patient, picky)
    ]
    now = NOW + 4 * 3600
    client = StripeClient(KEY, base_url=server.url)
    found = {name: caught.missed for name, caught in catch_up(wanting, client, store, now)}
    made = [(e["type"], int(e["created"]) - NOW) for e in events]
    assert found == {
        SHOP.id: sum(at <= 4 * 3600 - AFTER_SECONDS for _, at in made),
        late.id: sum(7200 <= at <= 4 * 3600 - AFTER_SECONDS for _, at in made),
        patient.id: sum(at <= 3 * 3600 for _, at in made),
        picky.id: sum(name == "charge.failed" and at <= 4 * 3600 - AFTER_SECONDS for name, at in made),
    }
    account.asked.clear()
    assert len(list(catch_up(wanting, client, store, now + 60))) == len(wanting)
    assert len(account.asked) == 2, "a window of the patient one, and one of the others"


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10_000))
def test_in_any_order_of_webhooks_and_catch_up_the_counts_are_those_of_webhooks_alone(
    tmp_path_factory: pytest.TempPathFactory, account: Account, server: FakeStripe, seed: int
) -> None:
    """Each event comes at once, late, twice or never; some are listed a minute late; requests fail in between."""
    server.accounts.clear()
    account = server.account(KEY)
    chance = random.Random(seed)
    events = lived(seed, 40)
    with closing(opened(tmp_path_factory.mktemp("whole") / "store.db")) as whole:
        books.deliver_all(whole, events)
        expected = counts(whole)
    happenings: list[tuple[int, str, Json | None]] = []
    for event in events:
        made_at = int(event["created"])
        happenings.append((made_at + chance.choice((0, 1, 55)), "listed", event))
        delays = chance.choice(((1,), (1,), (), (900,), (1, 4000), (301,)))
        happenings += [(made_at + delay, "delivered", event) for delay in delays]
    happenings += [(at, "turn", None) for at in range(NOW + 600, NOW + 9000, 600)]
    with closing(opened(tmp_path_factory.mktemp("caught") / "store.db")) as store:
        for at, what, event in sorted(happenings, key=lambda each: each[:2]):
            if what == "turn":
                if chance.random() < 0.2:
                    account.failing.append(chance.choice(FAILURES))
                    with pytest.raises(StripeApiError):
                        turn(store, server, at)
                else:
                    turn(store, server, at)
            elif event is not None:
                account.add(event) if what == "listed" else deliver(store, event, at)
        turn(store, server, NOW + 9000)
        assert counts(store) == expected


def test_an_outage_of_weeks_is_made_good_in_spans_and_what_failed_in_between_is_asked_again(
    store: Store, account: Account, server: FakeStripe
) -> None:
    shop = Shop(SHOP.id, seed=3, started_at=NOW)
    events = [e for hour in range(24 * 20) for e in shop.next(NOW + 3600 * hour) if e["type"] in TYPES]
    account.add(*events)
    end = NOW + 20 * 86_400
    asked = iter(range(10_000))
    account.before_page = lambda _path: (
        account.failing.append(fake_stripe.BROKEN) if next(asked) == 5 else None
    )
    with pytest.raises(StripeApiError):
        turn(store, server, end)
    first = value(store, catalog.EVENTS_CAUGHT_UP)
    assert 0 < first < len(events)
    assert value(store, catalog.CATCH_UP_SUCCESS) == 0
    account.before_page = lambda _path: None
    turn(store, server, end)
    assert value(store, catalog.EVENTS_CAUGHT_UP) == len({e["id"] for e in events})


def test_what_was_before_the_store_knew_the_tenant_is_the_past_and_not_missing(
    store: Store, account: Account, server: FakeStripe
) -> None:
    one, other = lived(1, 5)[:2]
    account.add({**one, "created": NOW - 86_400}, {**other, "created": NOW - 30})
    assert turn(store, server, NOW + 400).missed == 0
    assert turn(store, server, NOW + 520).missed == 0


def test_a_turn_that_is_stopped_goes_on_from_there_the_next_time(
    store: Store, account: Account, server: FakeStripe
) -> None:
    events = lived(6, 300)
    account.add(*events)
    asked = iter(range(100))
    client = StripeClient(KEY, base_url=server.url)
    ((_, first),) = catch_up(
        [Wanting(SHOP, TYPES)], client, store, NOW + 86_400, stopped=lambda: next(asked) > 3
    )
    assert 0 < first.missed < len(events)
    assert value(store, catalog.CATCH_UP_SUCCESS) == 0
    assert first.missed + turn(store, server, NOW + 86_400).missed == len(events)


def test_types_that_the_endpoint_never_selected_are_not_missed(
    store: Store, account: Account, server: FakeStripe
) -> None:
    events = lived(5, 60)
    account.add(*events)
    endpoint = Endpoint("https://x/webhooks/shop", enabled=True, events=frozenset({"charge.failed"}))
    failed = [event for event in events if event["type"] == "charge.failed"]
    assert turn(store, server, NOW + 7200, expected_types([endpoint])).missed == len(failed)


def test_where_several_endpoints_lead_to_a_tenant_the_types_of_all_that_are_enabled_are_expected() -> None:
    def of(name: str, *, enabled: bool = True) -> Endpoint:
        return Endpoint("https://x/webhooks/shop", enabled=enabled, events=frozenset({name}))

    two = [of("payout.paid"), of("charge.failed"), of("charge.succeeded", enabled=False)]
    assert expected_types(two) == {"payout.paid", "charge.failed"}
    assert expected_types(two[2:]) == {"charge.succeeded"}


def test_invoice_created_is_never_expected() -> None:
    assert "invoice.created" not in TYPES
    assert "invoice.created" not in expected_types(
        [Endpoint("https://x", enabled=True, events=frozenset("*"))]
    )
