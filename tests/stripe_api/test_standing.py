"""What is older than all events that Stripe lists is in the gauges, and counts nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from bw_exporter.catch_up.standing import take_in
from bw_exporter.catch_up.turn import Wanting
from bw_exporter.config.tenants import Tenants
from bw_exporter.metrics import catalog
from bw_exporter.metrics.family import Family
from bw_exporter.metrics.series import series
from bw_exporter.past import history
from bw_exporter.past.file import Target
from bw_exporter.store import Store, open_store
from bw_exporter.stripe_api.client import StripeClient
from bw_simulator.fake_stripe import Account, FakeStripe, Json
from support.listener import NOW

from . import books
from .books import SHOP, TYPES, deliver
from .conftest import KEY

DAY = 86_400
GAUGES = (catalog.SUBSCRIPTIONS, catalog.DISPUTES_OPEN, catalog.DISPUTED_OPEN)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(open_store(f"sqlite:///{tmp_path}/store.db")) as found:
        found.register([SHOP.id], NOW)
        yield found


def value(store: Store, family: Family, *values: str) -> int:
    return store.samples(SHOP.id).get(series(family, SHOP.id, values).line, 0)


def subscription(own: str, status: str = "active") -> Json:
    return {"id": own, "object": "subscription", "created": NOW - 90 * DAY, "livemode": True, "status": status,
            "items": {"data": [], "has_more": False}}  # fmt: skip


def dispute(own: str, status: str = "needs_response") -> Json:
    return {"id": own, "object": "dispute", "created": NOW - 9 * DAY, "livemode": True, "status": status,
            "amount": 4200, "currency": "usd", "reason": "fraudulent",
            "evidence_details": {"due_by": NOW + 5 * DAY}}  # fmt: skip


def event(number: int, name: str, subject: Json, at: int, **previous: object) -> Json:
    return {"id": f"evt_{number}", "object": "event", "type": name, "created": at, "livemode": True,
            "data": {"object": subject, "previous_attributes": previous}}  # fmt: skip


def take(store: Store, server: FakeStripe, types: frozenset[str] = TYPES) -> None:
    client = StripeClient(KEY, base_url=server.url)
    take_in([Wanting(SHOP, types)], client, store, NOW - 300, NOW)


def known_before(events: list[Json], since_at: int) -> list[Json]:
    """Leave out subscriptions of which no event says how they began, or how they were when they ended later."""
    firsts = [
        {
            str(e["data"]["object"]["id"]): str(e["type"])
            for e in reversed(events)
            if int(e["created"]) > after
        }
        for after in (0, since_at)
    ]
    begun, ended = "customer.subscription.created", "customer.subscription.deleted"
    unknown = {own for own, name in firsts[0].items() if name.startswith("customer.sub") and name != begun}
    unknown |= {own for own, name in firsts[1].items() if name == ended}
    return [each for each in events if each["data"]["object"]["id"] not in unknown]


def gauges(store: Store) -> dict[str, int]:
    names = tuple(f"{family.name}{{" for family in GAUGES)
    return {line: n for line, n in store.samples(SHOP.id).items() if n and line.startswith(names)}


def test_subscriptions_that_live_and_disputes_that_are_open_are_in_the_gauges_once_and_count_nothing(
    store: Store, account: Account, server: FakeStripe
) -> None:
    deliver(store, event(1, "customer.subscription.updated", subscription("sub_known"), NOW - 60), NOW - 60)
    before = store.samples(SHOP.id)
    old = [subscription("sub_known", "past_due"), subscription("sub_1"), subscription("sub_2", "canceled")]
    long_gone = {**subscription("sub_3", "canceled"), "ended_at": NOW - 61 * DAY}
    account.lists["subscriptions"] = [*old, long_gone, {**subscription("sub_new"), "created": NOW - 10}]
    account.lists["disputes"] = [
        dispute("dp_1"),
        dispute("dp_2", "won"),
        dispute("dp_3", "warning_under_review"),
    ]
    take(store, server)
    changed = {line for line, n in store.samples(SHOP.id).items() if n != before.get(line)}
    assert {line.partition("{")[0] for line in changed} == {
        *(family.name for family in GAUGES), catalog.DISPUTES_NEXT_DUE.name
    }  # fmt: skip
    assert value(store, catalog.SUBSCRIPTIONS, "active") == 2
    assert value(store, catalog.SUBSCRIPTIONS, "canceled") == 1
    assert value(store, catalog.DISPUTES_OPEN) == 1
    assert value(store, catalog.DISPUTED_OPEN, "usd") == 4200
    asked = len(account.asked)
    take(store, server)
    assert len(account.asked) == asked


def test_mrr_has_them_from_the_start_as_opening(store: Store, account: Account, server: FakeStripe) -> None:
    price = {"id": "price_a", "currency": "usd", "unit_amount": 2900, "billing_scheme": "per_unit",
             "recurring": {"interval": "month", "interval_count": 1, "usage_type": "licensed"}}  # fmt: skip
    item = {"id": "si_a", "price": price, "quantity": 2}
    young = {"created": NOW - DAY, "id": "sub_b"}
    listed = {**subscription("sub_a"), "currency": "usd", "items": {"data": [item], "has_more": False}}
    account.lists["subscriptions"] = [listed, {**listed, **young}]
    take(store, server)
    assert value(store, catalog.MRR, "usd") == 2 * 5800
    assert value(store, catalog.MRR_MOVEMENT, "usd", "opening") == 2 * 5800
    assert value(store, catalog.MRR_MOVEMENT, "usd", "new") == 0


def test_what_happens_to_them_afterwards_counts(store: Store, account: Account, server: FakeStripe) -> None:
    account.lists["subscriptions"] = [subscription("sub_1")]
    account.lists["disputes"] = [dispute("dp_1"), dispute("dp_2", "warning_needs_response")]
    take(store, server)
    behind = event(
        1, "customer.subscription.updated", subscription("sub_1", "past_due"), NOW + 60, status="active"
    )
    deliver(store, behind, NOW + 60)
    deliver(store, event(2, "charge.dispute.closed", dispute("dp_1", "lost"), NOW + 70), NOW + 70)
    escalated = event(3, "charge.dispute.updated", dispute("dp_2"), NOW + 80, status="warning_needs_response")
    deliver(store, escalated, NOW + 80)
    assert value(store, catalog.SUBSCRIPTIONS, "active") == 0
    assert value(store, catalog.SUBSCRIPTIONS, "past_due") == 1
    assert value(store, catalog.SUBSCRIPTION_CHANGES, "past_due") == 1
    assert value(store, catalog.DISPUTES_CLOSED, "lost") == 1
    assert value(store, catalog.DISPUTES, "fraudulent") == 1
    assert value(store, catalog.DISPUTES_OPEN) == 1


def test_a_list_that_may_not_be_read_or_whose_end_no_webhook_would_tell_is_left_for_later(
    store: Store, account: Account, server: FakeStripe
) -> None:
    account.lists["subscriptions"], account.lists["disputes"] = [subscription("sub_1")], [dispute("dp_1")]
    account.forbidden["subscriptions"] = "rak_subscription_read"
    take(store, server, TYPES - {"charge.dispute.closed"})
    assert gauges(store) == {}
    account.forbidden.clear()
    take(store, server)
    assert value(store, catalog.SUBSCRIPTIONS, "active") == value(store, catalog.DISPUTES_OPEN) == 1


def test_the_gauges_of_a_past_are_those_of_one_who_saw_all_events_ever(
    account: Account, server: FakeStripe, tmp_path: Path
) -> None:
    """Three days lie before the past that is asked for; Stripe lists their objects and none of their events."""
    began_at, since_at = NOW - 4 * DAY, NOW - 60 - DAY
    events = known_before(books.lived(11, 4 * 24 * 3, began_at=began_at, every_seconds=1200), since_at)
    account.add(*(each for each in events if each["created"] > since_at))
    for name, begin in (("subscriptions", "customer.subscription."), ("disputes", "charge.dispute.")):
        about = [each for each in events if each["type"].startswith(begin)]
        latest = {each["data"]["object"]["id"]: each["data"]["object"] for each in about}
        account.lists[name] = list(latest.values())
    store_url = f"sqlite:///{tmp_path}/past.db"
    history.write(
        history.Wanted(DAY, tmp_path / "past.om", store_url, 7200, Target("j", "i")),
        Tenants((replace(SHOP, api_key=KEY),), {}, "tenants.yaml"),
        lambda key: StripeClient(key, base_url=server.url),
        stopped=lambda: False,
        show=lambda _line: None,
        clock=lambda: NOW,
    )
    with closing(open_store(f"sqlite:///{tmp_path}/whole.db")) as whole:
        whole.register([SHOP.id], began_at)
        books.deliver_all(whole, [each for each in events if each["created"] <= since_at])
        at_first = gauges(whole)
        books.deliver_all(whole, [each for each in events if since_at < each["created"] <= NOW - 60])
        at_last = gauges(whole)
    with closing(open_store(store_url)) as store:
        assert gauges(store) == at_last
    assert at_first != at_last
    shown = (tmp_path / "past.om").read_text().splitlines()
    labels = 'job="j",instance="i",'
    first = {
        f"{name.replace(labels, '')} ": int(n)
        for name, n, at in (
            line.rsplit(" ", 2) for line in shown if line.startswith(tuple(f.name for f in GAUGES))
        )
        if int(at) == since_at and n != "0"
    }
    assert first == at_first
