from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bw_exporter.store import open_store
from bw_simulator.shop.objects import payments
from support.books import Books, tenant

if TYPE_CHECKING:
    from pathlib import Path

COUNT, AMOUNT = "billing_refunds_total", "billing_refunded_minor_units_total"
FAILURES = "billing_refund_failures_total"


def charge_refunded(books: Books, charge: dict[str, Any], before: int, after: int) -> dict[str, Any]:
    about = {**charge, "amount_refunded": after, "refunded": after >= charge["amount_captured"]}
    return books.event("charge.refunded", about, previous_attributes={"amount_refunded": before})


def story(books: Books) -> list[dict[str, Any]]:
    """Two refunds of one charge, each seen from both sides."""
    charge = payments.charge(books.ids, created_at=books.now, amount=2000)
    first = payments.refund(books.ids, charge=charge, amount=500, created_at=books.now)
    second = payments.refund(books.ids, charge=charge, amount=700, created_at=books.now)
    return [
        books.event("refund.created", first),
        charge_refunded(books, charge, 0, 500),
        books.event("refund.updated", first),
        books.event("charge.refund.updated", first),
        books.event("refund.created", second),
        charge_refunded(books, charge, 500, 1200),
    ]


@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_refunds_are_right_in_any_order_and_with_any_repetition(data: st.DataObject, tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/{data.draw(st.uuids())}.db")
    books = Books(store, tenant())
    told = story(books)
    books.deliver(*data.draw(st.permutations(told + data.draw(st.lists(st.sampled_from(told), max_size=4)))))
    assert (books.value(COUNT), books.value(AMOUNT, currency="usd")) == (2, 1200)
    store.close()


@pytest.mark.parametrize("view", ["refund.created", "charge.refunded"])
def test_refunds_are_right_from_either_view_alone(books: Books, view: str) -> None:
    books.deliver(*(event for event in story(books) if event["type"] == view))
    assert (books.value(COUNT), books.value(AMOUNT)) == (2, 1200)


def test_what_was_refunded_before_the_monitor_existed_is_not_counted(books: Books) -> None:
    charge = payments.charge(books.ids, created_at=books.now, amount=2000)
    books.deliver(charge_refunded(books, charge, 1000, 1500))
    assert (books.value(COUNT), books.value(AMOUNT)) == (1, 500)


def test_a_refund_without_a_charge_counts_too(books: Books) -> None:
    refund = {"id": "re_1", "object": "refund", "amount": 300, "currency": "eur", "payment_intent": "pi_1"}
    books.send("refund.created", refund)
    assert books.value(AMOUNT, currency="eur") == 300


def test_an_old_refund_that_is_updated_is_not_counted_as_new(books: Books) -> None:
    charge = payments.charge(books.ids, created_at=books.now)
    books.send("refund.updated", payments.refund(books.ids, charge=charge, created_at=books.now))
    assert books.value(COUNT) == 0


def test_a_failed_refund_counts_once_and_takes_nothing_back(books: Books) -> None:
    charge = payments.charge(books.ids, created_at=books.now)
    refund = payments.refund(books.ids, charge=charge, created_at=books.now)
    books.send("refund.created", refund)
    failed = {**refund, "status": "failed", "failure_reason": "expired_or_canceled_card"}
    for kind in ("refund.updated", "charge.refund.updated", "refund.failed"):
        books.send(kind, failed)
    assert books.value(FAILURES) == 1
    assert books.value(AMOUNT) == 2000


def test_an_authorisation_that_is_released_or_lapses_is_no_refund(books: Books) -> None:
    held = payments.charge(books.ids, created_at=books.now, amount=2000, captured=False)
    books.send("charge.succeeded", held)
    released = {**held, "amount_refunded": 2000, "refunded": True}
    before = {"amount_refunded": 0, "refunded": False}
    books.send("charge.refunded", released, previous_attributes=before)
    books.send("charge.expired", released)
    lapsed = payments.refund(books.ids, charge=held, created_at=books.now, amount=2000)
    lapsed = {**lapsed, "reason": "expired_uncaptured_charge"}
    for kind in ("refund.created", "refund.failed"):
        books.send(kind, lapsed)
    assert (books.value(COUNT), books.value(AMOUNT), books.value(FAILURES)) == (0, 0, 0)


def test_of_an_authorisation_captured_in_part_only_what_was_captured_is_a_refund(books: Books) -> None:
    taken = {**payments.charge(books.ids, created_at=books.now, amount=5000), "amount_captured": 3000}
    books.deliver(charge_refunded(books, taken, 2000, 5000))
    assert (books.value(COUNT), books.value(AMOUNT)) == (1, 3000)


def test_a_refund_of_a_destination_charges_copy_is_no_refund_of_the_platform(books: Books) -> None:
    copy = payments.charge(books.ids, created_at=books.now, source_transfer="tr_1")
    books.deliver(charge_refunded(books, copy, 0, 2000))
    refund = payments.refund(books.ids, charge=copy, created_at=books.now, source_transfer_reversal="trr_1")
    books.send("refund.created", refund)
    books.send("refund.failed", {**refund, "status": "failed"})
    assert (books.value(COUNT), books.value(AMOUNT), books.value(FAILURES)) == (0, 0, 0)


def failed_refund(books: Books, charge: dict[str, Any], amount: int) -> dict[str, Any]:
    refund = payments.refund(books.ids, charge=charge, amount=amount, created_at=books.now, status="failed")
    return books.event("charge.refund.updated", refund, previous_attributes={"status": "succeeded"})


def refunded_again(books: Books) -> list[dict[str, Any]]:
    """A refund in full fails and is made again, on an endpoint without refund.* events."""
    charge = payments.charge(books.ids, created_at=books.now, amount=2000)
    told = []
    for event in (
        lambda: charge_refunded(books, charge, 0, 2000),
        lambda: failed_refund(books, charge, 2000),
        lambda: charge_refunded(books, charge, 0, 2000),
    ):
        books.now += 1000
        told.append(event())
    return told


@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_refund_that_failed_and_was_made_again_is_two_in_any_order(
    data: st.DataObject, tmp_path: Path
) -> None:
    store = open_store(f"sqlite:///{tmp_path}/{data.draw(st.uuids())}.db")
    books = Books(store, tenant())
    told = refunded_again(books)
    twins = [
        {**each, "id": f"{each['id']}_twin"}
        for each in data.draw(st.lists(st.sampled_from(told), unique_by=id))
    ]
    books.deliver(*data.draw(st.permutations(told + twins)))
    assert (books.value(COUNT), books.value(AMOUNT), books.value(FAILURES)) == (2, 4000, 1)
    store.close()


def test_a_smaller_refund_after_one_that_failed_counts_though_no_event_tells_of_the_failure(
    books: Books,
) -> None:
    charge = payments.charge(books.ids, created_at=books.now, amount=2000)
    for after in (2000, 500):
        books.now += 100
        books.deliver(charge_refunded(books, charge, 0, after))
    assert (books.value(COUNT), books.value(AMOUNT), books.value(FAILURES)) == (2, 2500, 0)


def test_a_second_event_of_the_same_step_is_no_second_refund(books: Books) -> None:
    charge = payments.charge(books.ids, created_at=books.now, amount=2000)
    for _ in range(2):
        books.now += 1
        books.deliver(charge_refunded(books, charge, 0, 700))
    assert (books.value(COUNT), books.value(AMOUNT)) == (1, 700)


def test_the_released_rest_of_an_authorisation_is_no_refund(books: Books) -> None:
    taken = {**payments.charge(books.ids, created_at=books.now, amount=20675), "amount_captured": 20300}
    books.deliver(charge_refunded(books, taken, 0, 375))
    assert (books.value(COUNT), books.value(AMOUNT)) == (0, 0)
    books.now += 60
    books.deliver(charge_refunded(books, taken, 375, 20675))
    assert (books.value(COUNT), books.value(AMOUNT)) == (1, 20300)


def test_refunds_that_stand_never_exceed_what_was_taken(books: Books) -> None:
    charge = payments.charge(books.ids, created_at=books.now, amount=2000)
    books.deliver(charge_refunded(books, charge, 0, 5000))
    assert books.value(AMOUNT) == 2000
    for _ in range(2):
        books.send(
            "refund.created", payments.refund(books.ids, charge=charge, amount=2000, created_at=books.now)
        )
    assert books.value(AMOUNT) == 2000
    books.deliver(failed_refund(books, charge, 2000))
    assert (books.value(COUNT), books.value(AMOUNT)) == (2, 4000)


@pytest.mark.parametrize("more", [b"", b',"known_to_a_newer_version_alone":[1]'])
def test_a_ledger_of_an_older_version_goes_on_where_it_was(books: Books, more: bytes) -> None:
    charge = payments.charge(books.ids, created_at=books.now, amount=2000)
    kept = b'{"by_refund":{},"cumulative":1200,"baseline":100,"levels":[1200,500],"amount":1100,"number":2'
    books.store.write(
        lambda tx: tx.save("prod", "refunds", charge["id"], kept + more + b"}", books.now + 10**6)
    )
    books.deliver(charge_refunded(books, charge, 500, 1200))
    assert (books.value(COUNT), books.value(AMOUNT)) == (0, 0)
    books.deliver(charge_refunded(books, charge, 1200, 1500))
    assert (books.value(COUNT), books.value(AMOUNT)) == (1, 300)
