from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bw_exporter.store import open_store
from bw_simulator.shop import events
from bw_simulator.shop.objects import account, subscriptions
from support.books import Books, tenant

if TYPE_CHECKING:
    from pathlib import Path

CHANGES, NOW_BY_STATUS = "billing_subscription_changes_total", "billing_subscriptions"


def subscribed(books: Books, unit_amount: int = 2000, quantity: int = 1, **fields: Any) -> dict[str, Any]:
    price = subscriptions.price(books.ids, unit_amount=unit_amount)
    item = subscriptions.subscription_item(
        books.ids, price=price, created_at=books.now, quantity=quantity, id="si_1"
    )
    return subscriptions.subscription(books.ids, created_at=books.now, items=[item], id="sub_1", **fields)


def tell(books: Books, stage: str, about: dict[str, Any], **fields: Any) -> None:
    books.send(f"customer.subscription.{stage}", about, **fields)


def updated(books: Books, before: str, after: str) -> dict[str, Any]:
    previous = {"status": before}
    about = subscribed(books, status=after)
    return books.event("customer.subscription.updated", about, previous_attributes=previous)


def test_a_life_from_trial_to_cancellation_is_told_change_by_change(books: Books) -> None:
    lived = [
        ("created", subscribed(books, status="trialing")),
        ("updated", subscribed(books)),
        ("updated", subscribed(books, status="past_due")),
        ("updated", subscribed(books)),
        ("updated", subscribed(books, cancel_at_period_end=True)),
        ("deleted", subscribed(books, status="canceled")),
    ]
    for stage, about in lived:
        books.now += 10
        tell(books, stage, about)
    for change in (
        "created",
        "trial_started",
        "trial_converted",
        "past_due",
        "recovered",
        "cancel_scheduled",
    ):
        assert books.value(CHANGES, change=change) == 1, change
    assert books.value(CHANGES, change="canceled") == 1
    assert books.value(NOW_BY_STATUS) == books.value(NOW_BY_STATUS, status="canceled") == 1


@pytest.mark.parametrize(
    ("unit_amount", "quantity", "change"),
    [(3000, 1, "upgraded"), (2000, 3, "upgraded"), (500, 1, "downgraded")],
)
def test_paying_more_or_less_a_month_is_an_upgrade_or_downgrade(
    books: Books, unit_amount: int, quantity: int, change: str
) -> None:
    tell(books, "created", subscribed(books))
    books.now += 10
    tell(books, "updated", subscribed(books, unit_amount, quantity))
    assert books.value(CHANGES, change=change) == 1
    assert books.value(CHANGES) == 2


def test_a_yearly_plan_at_the_monthly_price_is_no_change(books: Books) -> None:
    tell(books, "created", subscribed(books, 1000))
    books.now += 10
    yearly = subscriptions.price(books.ids, unit_amount=12000, interval="year")
    item = subscriptions.subscription_item(books.ids, price=yearly, created_at=books.now, id="si_1")
    about = subscriptions.subscription(books.ids, created_at=books.now, items=[item], id="sub_1")
    tell(books, "updated", about)
    assert books.value(CHANGES) == 1


def test_an_older_snapshot_delivered_last_changes_nothing(books: Books) -> None:
    trial, active = subscribed(books, status="trialing"), subscribed(books)
    created = books.event("customer.subscription.created", trial)
    books.now += 60
    updated = books.event("customer.subscription.updated", active)
    books.deliver(updated, created)
    assert books.value(NOW_BY_STATUS) == books.value(NOW_BY_STATUS, status="active") == 1
    assert books.value(CHANGES, change="created") == 1


def test_within_one_second_deleted_beats_updated_beats_others_beats_created(books: Books) -> None:
    for stage, status in (
        ("deleted", "canceled"),
        ("updated", "active"),
        ("trial_will_end", "trialing"),
        ("created", "incomplete"),
    ):
        tell(books, stage, subscribed(books, status=status))
    assert books.value(NOW_BY_STATUS) == books.value(NOW_BY_STATUS, status="canceled") == 1


def lived(books: Books) -> list[dict[str, Any]]:
    """A life in which each event says what it changed."""
    trial, active = subscribed(books, status="trialing"), subscribed(books)
    late, ending = subscribed(books, status="past_due"), subscribed(books, 3000, cancel_at_period_end=True)
    stages = [trial, active, late, active, subscribed(books, 3000), ending, subscribed(books, 1000), active]
    told = [books.event("customer.subscription.created", trial)]
    for before, after in pairwise(stages):
        books.now += 10
        previous = events.changed(before, after)
        told.append(books.event("customer.subscription.updated", after, previous_attributes=previous))
    books.now += 10
    gone = {**active, "status": "canceled"}
    return [*told, books.event("customer.subscription.deleted", gone)]


@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_changes_are_counted_once_in_any_order_and_with_any_twins(
    data: st.DataObject, tmp_path: Path
) -> None:
    store = open_store(f"sqlite:///{tmp_path}/{data.draw(st.uuids())}.db")
    books = Books(store, tenant())
    told = lived(books)
    twins = [
        {**each, "id": f"{each['id']}_twin"}
        for each in data.draw(st.lists(st.sampled_from(told), unique_by=id))
    ]
    books.deliver(*data.draw(st.permutations(told + twins)))
    changes = {
        dict(labels)["change"]: n for (name, labels), n in books.everything().items() if name == CHANGES
    }
    assert changes == {
        "created": 1,
        "trial_started": 1,
        "trial_converted": 1,
        "past_due": 1,
        "recovered": 1,
        "upgraded": 2,
        "cancel_scheduled": 1,
        "cancel_unscheduled": 1,
        "downgraded": 1,
        "canceled": 1,
    }
    assert books.value(NOW_BY_STATUS) == books.value(NOW_BY_STATUS, status="canceled") == 1
    store.close()


@pytest.mark.parametrize("in_order", [True, False])
def test_a_pause_that_two_types_of_event_tell_is_one(books: Books, in_order: bool) -> None:
    tell(books, "created", subscribed(books, status="trialing"))
    books.now += 10
    told = [
        updated(books, "trialing", "paused"),
        books.event("customer.subscription.paused", subscribed(books, status="paused")),
    ]
    books.deliver(*(told if in_order else told[::-1]))
    assert books.value(CHANGES, change="paused") == 1


@pytest.mark.parametrize("more", [b"", b',"known_to_a_newer_version_alone":[1]'])
def test_a_subscription_remembered_by_an_older_or_a_newer_version_lives_on(books: Books, more: bytes) -> None:
    kept = b'{"order":[%d,0],"status":"trialing","per_month":"2000 usd","cancel_at_period_end":false'
    kept += b',"created":true,"canceled":false,"trialed":true' + more + b"}"
    books.store.write(
        lambda tx: tx.save("prod", "subscription", "sub_1", kept % books.now, books.now + 10**6)
    )
    books.now += 10
    books.deliver(updated(books, "trialing", "active"))
    tell(books, "updated", subscribed(books, 3000))
    for change in ("trial_converted", "upgraded"):
        assert books.value(CHANGES, change=change) == 1


@pytest.mark.parametrize("known", ["trialing", None])
@pytest.mark.parametrize("in_order", [True, False])
def test_of_two_updates_of_one_second_the_one_that_replaced_the_other_is_the_newer(
    books: Books, in_order: bool, known: str | None
) -> None:
    if known:
        tell(books, "created", subscribed(books, status=known))
    books.now += 60
    told = [
        updated(books, "trialing", "past_due"),
        updated(books, "past_due", "active"),
    ]
    books.deliver(*(told if in_order else told[::-1]))
    assert books.value(NOW_BY_STATUS) == books.value(NOW_BY_STATUS, status="active") == 1


@pytest.mark.parametrize("in_order", [True, False])
def test_a_status_left_and_taken_again_within_one_second_is_the_newer_one(
    books: Books, in_order: bool
) -> None:
    tell(books, "created", subscribed(books))
    books.now += 60
    told = [updated(books, "active", "past_due"), updated(books, "past_due", "active")]
    books.deliver(*(told if in_order else told[::-1]))
    assert books.value(NOW_BY_STATUS) == books.value(NOW_BY_STATUS, status="active") == 1


def test_a_subscription_first_seen_by_an_update_counts_but_was_not_created(books: Books) -> None:
    tell(books, "updated", subscribed(books), previous_attributes={"status": "trialing"})
    assert books.value(NOW_BY_STATUS, status="active") == 1
    assert books.value(CHANGES, change="created") == 0
    assert books.value(CHANGES, change="trial_converted") == 1


def test_a_canceled_subscription_counts_for_sixty_days(books: Books) -> None:
    tell(books, "deleted", subscribed(books, status="canceled"))
    books.pass_time(59 * 86400)
    assert books.value(NOW_BY_STATUS, status="canceled") == 1
    books.pass_time(2 * 86400)
    assert books.value(NOW_BY_STATUS, status="canceled") == 0


def test_an_active_subscription_is_remembered_for_as_long_as_it_lives(books: Books) -> None:
    tell(books, "created", subscribed(books))
    books.pass_time(400 * 86400)
    tell(books, "deleted", subscribed(books, status="canceled"))
    assert books.value(NOW_BY_STATUS) == books.value(NOW_BY_STATUS, status="canceled") == 1


def test_a_payout_counts_once_per_status_it_reaches(books: Books) -> None:
    payout = account.payout(books.ids, created_at=books.now)
    books.send("payout.created", {**payout, "status": "in_transit"})
    for _ in range(2):
        books.send("payout.paid", payout)
    books.send("payout.failed", {**payout, "status": "failed"})
    for status in ("in_transit", "paid", "failed"):
        assert books.value("billing_payouts_total", status=status) == 1


def test_a_checkout_session_counts_once_per_outcome(books: Books) -> None:
    session = account.checkout_session(books.ids, created_at=books.now, payment_status="unpaid")
    for kind in ("completed", "completed", "async_payment_failed"):
        books.send(f"checkout.session.{kind}", session)
    for outcome in ("completed", "async_payment_failed"):
        assert books.value("billing_checkout_sessions_total", outcome=outcome) == 1
    assert books.value("billing_revenue_minor_units_total") == 0


def changes(books: Books) -> dict[str, float]:
    """How often each change was counted, but for the creation."""
    counted = {
        dict(labels)["change"]: n for (name, labels), n in books.everything().items() if name == CHANGES
    }
    return {change: n for change, n in counted.items() if change != "created"}


def changed(books: Books, before: dict[str, Any], after: dict[str, Any], after_seconds: int = 60) -> None:
    books.now += after_seconds
    tell(books, "updated", after, previous_attributes=events.changed(before, after))


def test_a_cancellation_at_a_date_is_scheduled_as_one_at_the_periods_end_is(books: Books) -> None:
    running = subscribed(books)
    tell(books, "created", running)
    ending = {**running, "cancel_at": books.now + 10**6, "canceled_at": books.now}
    changed(books, running, ending)
    asked = {**ending, "cancellation_details": {"comment": None, "feedback": "unused", "reason": None}}
    changed(books, ending, asked)  # the customer portal's survey is an update of its own
    later = {**asked, "cancel_at": books.now + 2 * 10**6}
    changed(books, asked, later)
    assert changes(books) == {"cancel_scheduled": 1}
    changed(books, later, {**later, "cancel_at": None, "canceled_at": None})
    assert changes(books) == {"cancel_scheduled": 1, "cancel_unscheduled": 1}


def test_a_cancellation_that_both_fields_tell_is_one(books: Books) -> None:
    running = subscribed(books)
    tell(books, "created", running)
    ending = {**running, "cancel_at": books.now + 10**6, "cancel_at_period_end": True}
    changed(books, running, ending)
    at_a_date = {**ending, "cancel_at_period_end": False}
    changed(books, ending, at_a_date)
    assert changes(books) == {"cancel_scheduled": 1}


def test_a_date_of_cancellation_that_no_event_says_is_new_is_found_between_two_snapshots(
    books: Books,
) -> None:
    tell(books, "created", subscribed(books))
    books.now += 60
    tell(books, "updated", subscribed(books, cancel_at=books.now + 10**6))
    assert changes(books) == {"cancel_scheduled": 1}


def test_pausing_the_collection_is_a_pause_and_clearing_it_resumes(books: Books) -> None:
    running = subscribed(books)
    tell(books, "created", running)
    paused = {**running, "pause_collection": {"behavior": "void", "resumes_at": None}}
    changed(books, running, paused)
    for_good = {**running, "pause_collection": {"behavior": "keep_as_draft", "resumes_at": None}}
    changed(books, paused, for_good)
    assert changes(books) == {"paused": 1}
    assert books.value(NOW_BY_STATUS, status="active") == 1
    changed(books, for_good, running)
    assert changes(books) == {"paused": 1, "resumed": 1}


def test_removing_the_last_item_is_a_downgrade_and_a_missing_list_is_none(books: Books) -> None:
    running = subscribed(books)
    tell(books, "created", running)
    books.now += 60
    tell(books, "updated", {**running, "items": None})
    assert changes(books) == {}
    changed(books, running, {**running, "items": {"object": "list", "data": [], "has_more": False}})
    assert changes(books) == {"downgraded": 1}


def test_the_last_item_removed_is_found_between_two_snapshots_too(books: Books) -> None:
    running = subscribed(books)
    tell(books, "created", running)
    books.now += 60
    tell(books, "updated", {**running, "items": {"object": "list", "data": [], "has_more": False}})
    assert changes(books) == {"downgraded": 1}


@pytest.mark.parametrize(("scheduled", "counted"), [(b"true", {"cancel_unscheduled": 1}), (b"false", {})])
def test_what_an_older_version_did_not_remember_is_no_change(
    books: Books, scheduled: bytes, counted: dict[str, float]
) -> None:
    kept = (
        b'{"order":[%d,0],"status":"active","per_month":"2000 usd","cancel_at_period_end":%s,"created":true}'
    )
    state = kept % (books.now, scheduled)
    books.store.write(lambda tx: tx.save("prod", "subscription", "sub_1", state, books.now + 10**6))
    books.now += 10
    cancel_at = None if counted else books.now + 10**6
    paused = {"behavior": "void", "resumes_at": None}
    tell(books, "trial_will_end", subscribed(books, cancel_at=cancel_at, pause_collection=paused))
    assert changes(books) == counted
