"""MRR is the sum over the newest snapshots, and its movements sum up to it, however events arrive."""

from __future__ import annotations

import threading
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bw_exporter import adoption
from bw_simulator.shop import events
from bw_simulator.shop.ids import Ids
from bw_simulator.shop.objects import subscriptions
from support.books import NOW, Books

if TYPE_CHECKING:
    from bw_exporter.store import Store

MRR, MOVEMENT = "billing_mrr_minor_units", "billing_mrr_movement_minor_units_total"
TIMES, EXCLUDED = "billing_mrr_movements_total", "billing_mrr_excluded_subscriptions"
LOSSES = ("contraction", "churn")
DAY = 86400

IDS = Ids()


def item(unit_amount: int | None = 2000, quantity: int | None = 1, **fields: Any) -> dict[str, Any]:
    own = {name: fields.pop(name) for name in ("current_trial", "discounts") if name in fields}
    price = subscriptions.price(IDS, unit_amount=unit_amount, **fields)
    return subscriptions.subscription_item(IDS, price=price, created_at=NOW, quantity=quantity, **own)


def subscribed(*items: dict[str, Any], begun_at: int = NOW, **fields: Any) -> dict[str, Any]:
    fields.setdefault("id", "sub_1")
    return subscriptions.subscription(IDS, created_at=begun_at, items=list(items) or [item()], **fields)


def every(interval: str, count: int = 1) -> dict[str, Any]:
    return {"recurring": {"interval": interval, "interval_count": count, "usage_type": "licensed"}}


def coupon(**fields: Any) -> dict[str, Any]:
    return {"id": "co_1", "object": "coupon", "duration": "forever", **fields}


def off(**fields: Any) -> dict[str, Any]:
    return {"id": "di_1", "object": "discount", "coupon": coupon(**fields)}


def live(books: Books, *stages: dict[str, Any], first: str = "created") -> None:
    """Deliver a subscription's snapshots a minute apart; each event says what it replaced."""
    before: dict[str, Any] | None = None
    for about in stages:
        stage = first if before is None else "deleted" if about["status"] == "canceled" else "updated"
        previous = events.changed(before, about) if before and stage == "updated" else None
        books.send(f"customer.subscription.{stage}", about, previous_attributes=previous)
        before = about
        books.now += 60


def movements(books: Books, name: str = MOVEMENT) -> dict[str, float]:
    told: dict[str, float] = {}
    for (sample, labels), n in books.everything().items():
        if sample == name:
            kind = dict(labels)["movement"]
            told[kind] = told.get(kind, 0) + n
    return told


def summed(books: Books) -> float:
    return sum(-n if kind in LOSSES else n for kind, n in movements(books).items())


@pytest.mark.parametrize(
    ("about", "monthly"),
    [
        (subscribed(item(2000, 3)), 6000),
        (subscribed(item(12000, **every("year"))), 1000),
        (subscribed(item(10000, **every("year"))), 833),
        (subscribed(item(1000, **every("week"))), 4333),
        (subscribed(item(1000, **every("week", 2))), 2167),
        (subscribed(item(100, **every("day"))), 3042),
        (subscribed(item(6000, **every("month", 3))), 2000),
        (subscribed(item(None, 7, unit_amount_decimal="0.5")), 4),
        (subscribed(item(1000, **every("year")), item(1000, **every("year"))), 167),
        (subscribed(item(500, 11, transform_quantity={"divide_by": 10, "round": "up"})), 1000),
        (subscribed(item(500, 19, transform_quantity={"divide_by": 10, "round": "down"})), 500),
        (subscribed(status="past_due"), 2000),
        (subscribed(shape="old"), 2000),
        (subscribed(item(0)), 0),
        (subscribed(discounts=[off(percent_off=12.5, amount_off=None)]), 1750),
        (subscribed(discount=off(percent_off=33.33), discounts=["di_1"]), 1333),
        (subscribed(discounts=[off(amount_off=500, currency="usd")]), 1500),
        (subscribed(discounts=[off(amount_off=9900, currency="usd")]), 0),
        (subscribed(item(12000, **every("year")), discounts=[off(amount_off=1200, currency="usd")]), 900),
        (subscribed(discounts=[off(amount_off=500, currency="eur")]), 2000),
        (subscribed(discounts=[off(percent_off=50, duration="once")]), 2000),
        (subscribed(discounts=[off(percent_off=50, duration="repeating")]), 2000),
        (subscribed(discounts=["di_1"]), 2000),
        (subscribed(discounts=[{"id": "di_1", "source": {"type": "coupon", "coupon": "co_1"}}]), 2000),
        (subscribed(discounts=[{"id": "di_1", "source": {"coupon": coupon(percent_off=10)}}]), 1800),
        (subscribed(item(discounts=[off(percent_off=50)]), item(1000)), 2000),
        (subscribed(discounts=[off(percent_off=50), off(amount_off=300, currency="usd")]), 700),
        (
            subscribed(
                item(1000, product="prod_a"),
                item(2000, product="prod_b"),
                discounts=[off(percent_off=50, applies_to={"products": ["prod_b"]})],
            ),
            2000,
        ),
    ],
)
def test_a_subscription_counts_with_its_monthly_value_rounded_once(
    books: Books, about: dict[str, Any], monthly: int
) -> None:
    live(books, about)
    assert books.value(MRR, currency="usd") == books.value(MRR) == monthly
    assert movements(books) == ({"new": monthly} if monthly else {})
    assert not books.value(EXCLUDED)


@pytest.mark.parametrize(
    ("about", "reason", "monthly"),
    [
        (subscribed(item(10, None, usage_type="metered")), "metered", 0),
        (subscribed(item(None, 3, billing_scheme="tiered")), "tiered", 0),
        (subscribed(item(), item(10, None, usage_type="metered")), "metered", 2000),
        (subscribed(item(None)), "unknown_price", 0),
        (subscribed(item(**every("fortnight"))), "unknown_price", 0),
        (subscribed(item(currency="eur"), currency="usd"), "unknown_price", 0),
        (subscribed(item(2**52, 2**10)), "unknown_price", 0),
        ({**subscribed(), "items": {"data": [item()], "has_more": True}}, "unknown_price", 0),
        (subscribed(status="trialing"), "trialing", 0),
        (subscribed(item(current_trial={"end_date": NOW + DAY}), item(1000)), "trialing", 1000),
        (subscribed(status="paused"), "paused", 0),
        (subscribed(pause_collection={"behavior": "void"}), "paused", 0),
    ],
)
def test_what_cannot_be_told_or_is_not_paid_is_left_out_and_counted_by_reason(
    books: Books, about: dict[str, Any], reason: str, monthly: int
) -> None:
    live(books, about)
    assert books.value(MRR) == monthly
    assert books.value(EXCLUDED, reason=reason) == books.value(EXCLUDED) == 1
    live(books, {**about, "status": "canceled"}, first="deleted")
    assert not books.value(MRR)
    assert not books.value(EXCLUDED)


@pytest.mark.parametrize("status", ["incomplete", "incomplete_expired", "unpaid", "canceled"])
def test_a_subscription_that_is_not_paid_or_over_counts_nowhere(books: Books, status: str) -> None:
    live(books, subscribed(status=status))
    assert not books.value(MRR)
    assert not books.value(EXCLUDED)


def test_a_life_is_told_movement_by_movement(books: Books) -> None:
    paused = {"pause_collection": {"behavior": "void", "resumes_at": None}}
    live(
        books,
        subscribed(status="trialing"),
        subscribed(),
        subscribed(item(3000)),
        subscribed(item(3000), status="past_due"),
        subscribed(item(2500), status="past_due"),
        subscribed(item(2500), status="unpaid"),
        subscribed(item(2500)),
        subscribed(item(2500), **paused),
        subscribed(item(2600)),
        subscribed(item(2600), status="canceled"),
    )
    assert movements(books) == {
        "new": 2000,
        "expansion": 1000,
        "contraction": 500,
        "churn": 2500 + 2500 + 2600,
        "reactivation": 2500 + 2600,
    }
    assert movements(books, TIMES) == {
        "new": 1,
        "expansion": 1,
        "contraction": 1,
        "churn": 3,
        "reactivation": 2,
    }
    assert summed(books) == books.value(MRR) == 0


def test_renewals_coupons_that_end_and_trials_that_end_unpaid_move_nothing(books: Books) -> None:
    live(books, subscribed(), subscribed(period_start_at=NOW + 30 * DAY), subscribed(discounts=["di_1"]))
    live(books, subscribed(id="sub_2", status="trialing"), subscribed(id="sub_2", status="canceled"))
    assert movements(books) == {"new": 2000}


def test_an_update_that_comes_before_the_creation_is_told_as_in_order(books: Books) -> None:
    started, grown = subscribed(status="incomplete"), subscribed()
    created = books.event("customer.subscription.created", started)
    books.now += 5
    previous = events.changed(started, grown)
    updated = books.event("customer.subscription.updated", grown, previous_attributes=previous)
    books.deliver(updated, created)
    assert movements(books) == {"new": 2000}


@pytest.mark.parametrize(
    ("age", "before", "told"),
    [
        (DAY, {}, {"new": 2000, "expansion": 1000}),
        (100 * DAY, {}, {"opening": 2000, "expansion": 1000}),
        (100 * DAY, {"status": "trialing"}, {"new": 3000}),
        (100 * DAY, {"status": "unpaid"}, {"reactivation": 3000}),
        (100 * DAY, None, {"opening": 3000}),
    ],
)
def test_a_subscription_of_before_the_store_opens_with_what_it_was_worth(
    books: Books, age: int, before: dict[str, Any] | None, told: dict[str, int]
) -> None:
    now = subscribed(item(3000), begun_at=NOW - age)
    previous = None if before is None else events.changed({**subscribed(begun_at=NOW - age), **before}, now)
    books.send("customer.subscription.updated", now, previous_attributes=previous)
    assert movements(books) == told


def test_an_event_that_was_missed_is_made_up_for_by_what_the_next_one_replaced(books: Books) -> None:
    first, second, third = subscribed(), subscribed(item(3000)), subscribed(item(2500))
    live(books, first)
    books.send("customer.subscription.updated", third, previous_attributes=events.changed(second, third))
    assert movements(books) == {"new": 2000, "expansion": 1000, "contraction": 500}


@pytest.mark.parametrize("in_order", [True, False])
@pytest.mark.parametrize(
    "stages",
    [
        (subscribed(), subscribed(item(3000))),
        (subscribed(item(3000)), subscribed()),
        (subscribed(status="past_due"), subscribed(item(1000))),
    ],
)
def test_of_two_updates_of_one_second_the_one_that_replaced_the_other_counts(
    books: Books, in_order: bool, stages: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    start = subscribed()
    live(books, start)
    told = [
        books.event("customer.subscription.updated", after, previous_attributes=events.changed(before, after))
        for before, after in zip((start, stages[0]), stages, strict=True)
    ]
    books.deliver(*(told if in_order else told[::-1]))
    assert books.value(MRR) == stages[1]["items"]["data"][0]["price"]["unit_amount"]
    assert summed(books) == books.value(MRR)


def test_a_subscription_whose_price_can_no_longer_be_told_is_no_loss_among_the_movements(
    books: Books,
) -> None:
    live(books, subscribed(), subscribed(item(None, 3, billing_scheme="tiered")), subscribed(item(2500)))
    assert movements(books) == {"new": 2000, "churn": 2000, "opening": 2500}
    assert movements(books, TIMES) == {"new": 1, "opening": 1}


def test_each_currency_has_its_own_sum_and_an_unlisted_one_is_other(books: Books) -> None:
    for number, currency in enumerate(("eur", "jpy", "qqq")):
        live(books, subscribed(item(currency=currency), currency=currency, id=f"sub_{number}"))
        assert books.value(MRR, currency=currency if currency != "qqq" else "other") == 2000
    assert summed(books) == books.value(MRR) == 6000


STATUSES = ("active", "active", "past_due", "trialing", "unpaid", "paused", "canceled", "incomplete")
PRICES = (None, 0, 999, 2000, 3333)
INTERVALS = {"day": Decimal(365) / 12, "week": Decimal(52) / 12, "month": Decimal(1), "year": Decimal(1) / 12}

snapshots = st.builds(
    lambda price, quantity, interval, status, paused, currency: subscribed(
        item(price, quantity, currency=currency, **every(interval)),
        currency=currency,
        status=status,
        pause_collection={"behavior": "void"} if paused else None,
    ),
    st.sampled_from(PRICES),
    st.integers(1, 30),
    st.sampled_from(sorted(INTERVALS)),
    st.sampled_from(STATUSES),
    st.booleans(),
    st.sampled_from(("usd", "usd", "eur")),
)


def worth(about: dict[str, Any]) -> int:
    """What a snapshot of one item is worth a month, calculated otherwise."""
    one = about["items"]["data"][0]
    unpaid = about["status"] not in ("active", "past_due") or about["pause_collection"]
    if unpaid or one["price"]["unit_amount"] is None:
        return 0
    value = one["price"]["unit_amount"] * one["quantity"] * INTERVALS[one["price"]["recurring"]["interval"]]
    return int(value.quantize(Decimal(1), ROUND_HALF_UP))


@given(data=st.data())
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_in_any_order_mrr_is_the_sum_of_the_newest_snapshots_and_of_the_movements(
    data: st.DataObject, books: Books
) -> None:
    before = {currency: books.value(MRR, currency=currency) for currency in ("usd", "eur")}
    told, lives = [], data.draw(st.lists(st.lists(snapshots, min_size=1, max_size=5), min_size=1, max_size=3))
    for stages in lives:
        own_id, last = f"sub_{books.ids.new('life')}", None
        for number, stage in enumerate(stages):
            about = {**stage, "id": own_id}
            says = last is not None and data.draw(st.booleans())
            event = books.event(
                f"customer.subscription.{'updated' if last else 'created'}",
                about,
                created_at=NOW + 10 * number,
                previous_attributes=events.changed(last, about) if says else None,
            )
            told.append(event)
            last = about
    twins = [{**each, "id": f"{each['id']}_twin"} for each in told]
    delivered = data.draw(st.lists(st.sampled_from(told + twins), unique_by=lambda each: each["id"]))
    newest: dict[str, dict[str, Any]] = {}
    for event in data.draw(st.permutations(delivered)):
        books.deliver(event)
        known = newest.setdefault(event["data"]["object"]["id"], event)
        if event["created"] > known["created"]:
            newest[event["data"]["object"]["id"]] = event
    for currency in ("usd", "eur"):
        abouts = [each["data"]["object"] for each in newest.values()]
        expected = sum(worth(about) for about in abouts if about["currency"] == currency)
        gauge = books.value(MRR, currency=currency)
        assert gauge - before[currency] == expected
        assert gauge == sum(
            -n if dict(labels)["movement"] in LOSSES else n
            for (name, labels), n in books.everything().items()
            if name == MOVEMENT and dict(labels)["currency"] == currency
        )


OLD = {
    "sub_active": ("active", "2500/3 usd", None),
    "sub_late": ("past_due", "2000 usd", False),
    "sub_trial": ("trialing", "2000 usd", False),
    "sub_paused": ("active", "2000 usd", True),
    "sub_tiered": ("active", "", False),
    "sub_gone": ("canceled", "2000 usd", False),
    "sub_free": ("active", "0 ", False),
}


def an_older_version_remembered(store: Store) -> None:
    for key, (status, per_month, paused) in OLD.items():
        kept = f'{{"order":[{NOW},0],"status":"{status}","per_month":"{per_month}"'
        kept += "" if paused is None else f',"collection_paused":{str(paused).lower()}'
        store.write(
            lambda tx, key=key, kept=kept: tx.save(  # type: ignore[misc]
                "prod", "subscription", key, f"{kept}}}".encode(), NOW + 10**6
            )
        )


def test_an_upgraded_store_takes_the_subscriptions_that_it_remembers_as_opening(books: Books) -> None:
    an_older_version_remembered(books.store)
    books.now += 60
    changed_meanwhile = subscribed(item(5000), id="sub_late", begun_at=NOW - 100 * DAY)
    books.send("customer.subscription.updated", changed_meanwhile)
    for _ in range(2):
        adoption.run(books.store, books.now, threading.Event())
    assert movements(books) == {"opening": 833 + 5000}
    assert summed(books) == books.value(MRR) == 5833
    excluded = {
        dict(labels)["reason"]: n for (name, labels), n in books.everything().items() if name == EXCLUDED
    }
    assert excluded == {"trialing": 1, "paused": 1, "unknown_price": 1}
    began = subscribed(item(4000), id="sub_trial", begun_at=NOW - 100 * DAY)
    told = subscribed(item(1000), id="sub_tiered", begun_at=NOW - 100 * DAY)
    back = subscribed(id="sub_paused", begun_at=NOW - 100 * DAY)
    for about in (began, told, back):
        books.send("customer.subscription.updated", about)
    assert movements(books) == {"opening": 5833 + 1000, "new": 4000, "reactivation": 2000}


def test_a_late_event_during_an_upgrade_does_not_hide_what_was_newer(books: Books) -> None:
    an_older_version_remembered(books.store)
    late = subscribed(item(9900), id="sub_late", begun_at=NOW - 100 * DAY)
    books.send("customer.subscription.updated", late, created_at=NOW - 60)
    adoption.run(books.store, books.now, threading.Event())
    assert summed(books) == books.value(MRR) == 833 + 2000


def test_more_subscriptions_than_one_step_takes_are_all_adopted(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adoption, "_AT_ONCE", 2)
    an_older_version_remembered(books.store)
    adoption.run(books.store, books.now, threading.Event())
    assert movements(books) == {"opening": 833 + 2000}


def test_the_state_of_a_subscription_stays_small(books: Books) -> None:
    abouts = [subscribed(item(1000 + n % 7), status=STATUSES[n % 5]) for n in range(60)]
    live(books, *abouts)
    kept = books.store.remembered_after("mrr", ("", ""), 10)
    kept += books.store.remembered_after("subscription", ("", ""), 10)
    assert len(kept) == 2
    assert sum(len(state) for *_, state in kept) <= 2048
