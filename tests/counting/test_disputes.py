from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bw_exporter.store import open_store
from bw_simulator.shop.objects import account, disputes, payments
from support.books import NOW, Books, tenant

if TYPE_CHECKING:
    from pathlib import Path

OPENED, OPEN, CLOSED = "billing_disputes_total", "billing_disputes_open", "billing_disputes_closed_total"
AT_STAKE, NEXT_DUE = "billing_disputed_open_minor_units", "billing_disputes_next_due_timestamp_seconds"
FUNDS, INQUIRIES = "billing_dispute_funds_minor_units_total", "billing_inquiries_total"


def dispute(books: Books, **fields: Any) -> dict[str, Any]:
    charge = payments.charge(books.ids, created_at=books.now, amount=2000)
    return disputes.dispute(books.ids, charge=charge, created_at=books.now, **fields)


@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_dispute_won_is_one_dispute_in_any_order(data: st.DataObject, tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/{data.draw(st.uuids())}.db")
    books = Books(store, tenant())
    opened = dispute(books)
    withdrawn = disputes.withdrawn(books.ids, opened, created_at=books.now)
    won = {**withdrawn, "status": "won"}
    reinstated = disputes.reinstated(books.ids, won, created_at=books.now)
    told = [
        books.event("charge.dispute.created", opened),
        books.event("charge.dispute.funds_withdrawn", withdrawn),
        books.event("charge.dispute.updated", {**withdrawn, "status": "under_review"}),
        books.event("charge.dispute.closed", won),
        books.event("charge.dispute.funds_reinstated", reinstated),
    ]
    books.deliver(*data.draw(st.permutations(told)))
    assert (books.value(OPENED), books.value(OPEN), books.value(INQUIRIES)) == (1, 0, 0)
    assert books.value(CLOSED) == books.value(CLOSED, outcome="won") == 1
    fee = disputes.DISPUTE_FEE
    assert books.value(FUNDS, direction="withdrawn", currency="usd") == 2000 + fee
    assert books.value(FUNDS, direction="reinstated", currency="usd") == 2000
    store.close()


def test_a_dispute_stays_open_until_it_is_closed(books: Books) -> None:
    opened = dispute(books, reason="product_not_received")
    books.send("charge.dispute.created", opened)
    assert books.value(OPEN) == books.value(OPENED, reason="product_not_received") == 1
    books.send("charge.dispute.closed", {**opened, "status": "lost"})
    assert (books.value(OPEN), books.value(CLOSED, outcome="lost")) == (0, 1)


def test_an_open_dispute_that_is_forgotten_leaves_the_gauge_once(books: Books) -> None:
    opened = dispute(books)
    books.send("charge.dispute.created", opened)
    books.pass_time(119 * 86400)
    assert books.value(OPEN) == 1
    books.pass_time(2 * 86400)
    assert books.value(OPEN) == 0
    books.send("charge.dispute.updated", {**opened, "status": "under_review"})
    books.send("charge.dispute.closed", {**opened, "status": "lost"})
    assert (books.value(OPENED), books.value(OPEN), books.value(CLOSED)) == (1, 0, 1)


def test_an_inquiry_is_no_dispute(books: Books) -> None:
    inquiry = dispute(books, status="warning_needs_response")
    books.send("charge.dispute.created", inquiry)
    books.send("charge.dispute.closed", {**inquiry, "status": "warning_closed"})
    assert (books.value(INQUIRIES), books.value(OPENED), books.value(OPEN)) == (1, 0, 0)
    assert books.value(CLOSED, outcome="warning_closed") == 1


def test_an_inquiry_that_becomes_a_dispute_counts_as_one_in_either_order(books: Books) -> None:
    for number, in_order in enumerate((True, False), start=1):
        inquiry = dispute(books, status="warning_needs_response")
        told = [
            books.event("charge.dispute.created", inquiry),
            books.event("charge.dispute.updated", {**inquiry, "status": "needs_response"}),
        ]
        books.deliver(*(told if in_order else reversed(told)))
        assert (books.value(INQUIRIES), books.value(OPENED), books.value(OPEN)) == (number,) * 3


def test_an_inquiry_created_anew_as_a_dispute_is_one_of_each_in_either_order(books: Books) -> None:
    for number, in_order in enumerate((True, False), start=1):
        inquiry = dispute(books, status="warning_needs_response")
        told = [
            books.event("charge.dispute.created", inquiry),
            books.event("charge.dispute.created", {**inquiry, "status": "needs_response"}),
        ]
        books.deliver(*(told if in_order else reversed(told)))
        assert (books.value(INQUIRIES), books.value(OPENED), books.value(OPEN)) == (number,) * 3


def test_a_dispute_from_before_the_monitor_is_closed_but_never_opened(books: Books) -> None:
    old = dispute(books, status="under_review")
    books.send("charge.dispute.updated", old)
    books.send("charge.dispute.closed", {**old, "status": "won"})
    assert (books.value(OPENED), books.value(OPEN), books.value(CLOSED)) == (0, 0, 1)


def test_an_early_fraud_warning_counts_once_and_its_update_not_at_all(books: Books) -> None:
    charge = payments.charge(books.ids, created_at=books.now)
    warning = disputes.early_fraud_warning(books.ids, charge=charge, created_at=books.now)
    books.send("radar.early_fraud_warning.created", warning)
    books.send("radar.early_fraud_warning.created", warning)
    books.send("radar.early_fraud_warning.updated", {**warning, "actionable": False})
    assert books.value("billing_early_fraud_warnings_total") == 1


@given(data=st.data())
@settings(max_examples=24, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_inquiry_lost_as_a_dispute_is_one_of_each_in_any_order(
    data: st.DataObject, tmp_path: Path
) -> None:
    store = open_store(f"sqlite:///{tmp_path}/{data.draw(st.uuids())}.db")
    books = Books(store, tenant())
    inquiry = dispute(books, status="warning_needs_response")
    escalated = {**inquiry, "status": "needs_response"}
    withdrawn = disputes.withdrawn(books.ids, escalated, created_at=books.now)
    told = [
        books.event("charge.dispute.created", inquiry),
        books.event("charge.dispute.updated", escalated),
        books.event("charge.dispute.funds_withdrawn", withdrawn),
        books.event("charge.dispute.closed", {**withdrawn, "status": "lost"}),
    ]
    if data.draw(st.booleans(), label="without the update"):
        del told[1]
    books.deliver(*data.draw(st.permutations(told)))
    assert (books.value(INQUIRIES), books.value(OPENED), books.value(OPEN)) == (1, 1, 0)
    assert books.value(CLOSED, outcome="lost") == 1
    store.close()


def test_an_event_that_says_an_inquiry_became_a_dispute_is_enough(books: Books) -> None:
    escalated = dispute(books)
    before = {"status": "warning_under_review"}
    books.send("charge.dispute.updated", escalated, previous_attributes=before)
    assert (books.value(OPENED), books.value(OPEN)) == (1, 1)


def test_a_dispute_born_with_its_outcome_is_never_open(books: Books) -> None:
    books.send("charge.dispute.created", dispute(books, status="prevented"))
    assert (books.value(OPENED), books.value(OPEN)) == (1, 0)


def test_an_inquiry_that_was_prevented_from_becoming_a_dispute_is_none(books: Books) -> None:
    for in_order in (True, False):
        inquiry = dispute(books, status="warning_needs_response")
        prevented, before = {**inquiry, "status": "prevented"}, {"status": "warning_needs_response"}
        told = [
            books.event("charge.dispute.created", inquiry),
            books.event("charge.dispute.updated", prevented, previous_attributes=before),
            books.event("charge.dispute.closed", prevented),
        ]
        books.deliver(*(told if in_order else reversed(told)))
    assert (books.value(INQUIRIES), books.value(OPENED), books.value(OPEN)) == (2, 0, 0)
    assert books.value(CLOSED, outcome="prevented") == 2


def test_each_event_of_funds_counts_its_own_direction(books: Books) -> None:
    old = disputes.withdrawn(books.ids, dispute(books), created_at=books.now)
    won = disputes.reinstated(books.ids, {**old, "status": "won"}, created_at=books.now)
    books.send("charge.dispute.funds_reinstated", won)
    assert books.value(FUNDS, direction="withdrawn") == 0
    assert books.value(FUNDS, direction="reinstated") == 2000


def transaction(number: int, net: int, currency: str = "usd") -> dict[str, Any]:
    return {"id": f"txn_{number}", "amount": net, "fee": 0, "net": net, "currency": currency}


def funds(
    books: Books, about: dict[str, Any], direction: str, *transactions: dict[str, Any]
) -> dict[str, Any]:
    """An event of a dispute's money, a minute after the one before it."""
    books.now += 60
    shown = {**about, "balance_transactions": list(transactions)}
    return books.event(f"charge.dispute.funds_{direction}", shown)


@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_disputes_money_is_the_sum_of_its_transactions_in_any_order(
    data: st.DataObject, tmp_path: Path
) -> None:
    store = open_store(f"sqlite:///{tmp_path}/{data.draw(st.uuids())}.db")
    books = Books(store, tenant())
    opened = dispute(books)
    taken, adjusted = transaction(1, -12000), transaction(2, 50)
    given_back, corrected, taken_again = transaction(3, 11990), transaction(4, -40), transaction(5, -9000)
    told = [
        funds(books, opened, "withdrawn", taken, adjusted),
        funds(books, opened, "reinstated", taken, adjusted, given_back, corrected),
        funds(books, opened, "withdrawn", taken, adjusted, given_back, corrected, taken_again),
    ]
    books.deliver(*data.draw(st.permutations(told)))
    assert books.value(FUNDS, direction="withdrawn", currency="usd") == 11950 + 9000
    assert books.value(FUNDS, direction="reinstated", currency="usd") == 11950
    store.close()


def test_an_adjustment_that_came_with_the_withdrawal_is_not_given_back_whichever_comes_first(
    books: Books,
) -> None:
    opened = dispute(books)
    taken, adjusted, given_back = transaction(1, -12000), transaction(2, 50), transaction(3, 11950)
    told = [
        funds(books, opened, "withdrawn", taken, adjusted),
        funds(books, opened, "reinstated", taken, adjusted, given_back),
    ]
    books.deliver(*reversed(told))
    assert books.value(FUNDS, direction="withdrawn") == books.value(FUNDS, direction="reinstated") == 11950


def test_money_of_an_event_without_transactions_is_the_disputed_amount(books: Books) -> None:
    opened = dispute(books)
    for direction in ("withdrawn", "reinstated"):
        for _ in range(2):
            books.deliver(funds(books, opened, direction))
        assert books.value(FUNDS, direction=direction) == 2000
    books.deliver(funds(books, opened, "withdrawn", transaction(1, -3500)))
    assert books.value(FUNDS, direction="withdrawn") == 3500


def test_a_dispute_that_was_won_and_is_lost_later_counts_once_as_each(books: Books) -> None:
    opened = dispute(books)
    books.send("charge.dispute.created", opened)
    for status in ("won", "won", "lost", "lost"):
        books.send("charge.dispute.closed", {**opened, "status": status})
    for outcome in ("won", "lost"):
        assert books.value(CLOSED, outcome=outcome) == 1
    assert (books.value(OPENED), books.value(OPEN)) == (1, 0)


def test_a_dispute_remembered_by_an_older_version_goes_on_where_it_was(books: Books) -> None:
    opened = dispute(books)
    kept = b'{"counted":true,"closed":true,"moved":{"withdrawn usd":3500,"reinstated usd":2000}}'
    books.store.write(lambda tx: tx.save("prod", "dispute", opened["id"], kept, books.now + 10**6))
    shown = [transaction(1, -3500), transaction(2, 2000)]
    books.deliver(funds(books, opened, "reinstated", *shown))
    assert books.value(FUNDS) == 0
    books.deliver(funds(books, opened, "withdrawn", *shown, transaction(3, -2000)))
    assert books.value(FUNDS) == books.value(FUNDS, direction="withdrawn") == 2000
    books.send("charge.dispute.closed", {**opened, "status": "lost"})
    assert books.value(CLOSED, outcome="lost") == 1


DAY = 86400


def due(seconds: int) -> dict[str, Any]:
    return {"evidence_details": {"due_by": seconds, "has_evidence": False}}


def test_an_open_dispute_is_at_stake_with_the_amount_of_its_newest_event(books: Books) -> None:
    opened = dispute(books)
    books.send("charge.dispute.created", opened)
    books.send("charge.dispute.created", dispute(books, amount=300, currency="eur"))
    books.send("charge.dispute.created", dispute(books, status="warning_needs_response"))
    assert (books.value(AT_STAKE, currency="usd"), books.value(AT_STAKE, currency="eur")) == (2000, 300)
    books.send("charge.dispute.updated", {**opened, "amount": 1500}, created_at=NOW + 1)
    books.send("charge.dispute.updated", {**opened, "amount": 1700}, created_at=NOW - 1)
    assert books.value(AT_STAKE, currency="usd") == 1500
    books.send("charge.dispute.closed", {**opened, "status": "lost"}, created_at=NOW + 2)
    assert books.value(AT_STAKE, currency="usd") == 0
    books.pass_time(121 * DAY)
    assert books.value(AT_STAKE) == books.value(OPEN) == 0


def test_an_open_dispute_of_an_older_store_is_at_stake_from_its_next_event_on(books: Books) -> None:
    opened = dispute(books)
    old = b'{"counted":true,"open":true,"outcomes":[],"moved":{},"owners":{}}'
    books.store.write(lambda tx: tx.save("prod", "dispute", opened["id"], old, NOW + DAY))
    books.send("charge.dispute.updated", {**opened, "status": "under_review"})
    assert books.value(AT_STAKE, currency="usd") == 2000
    books.send("charge.dispute.closed", {**opened, "status": "won"})
    assert books.value(AT_STAKE) == 0


@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_next_deadline_is_of_the_disputes_that_wait_in_any_order(
    data: st.DataObject, tmp_path: Path
) -> None:
    store = open_store(f"sqlite:///{tmp_path}/{data.draw(st.uuids())}.db")
    books = Books(store, tenant())
    answered, waits, lost = (
        dispute(books, **due(NOW + DAY)),
        dispute(books, **due(NOW + 3 * DAY)),
        dispute(books),
    )
    told = [
        books.event("charge.dispute.created", answered),
        books.event("charge.dispute.updated", {**answered, "status": "under_review"}),
        books.event("charge.dispute.created", {**waits, **due(NOW + 2 * DAY)}),
        books.event("charge.dispute.funds_withdrawn", waits),
        books.event("charge.dispute.created", {**lost, **due(NOW + DAY)}),
        books.event(
            "charge.dispute.closed", {**lost, **due(NOW + DAY), "status": "lost"}, created_at=NOW + 9
        ),
        books.event(
            "charge.dispute.created", dispute(books, **due(NOW + DAY), status="warning_needs_response")
        ),
    ]
    books.deliver(*data.draw(st.permutations(told)))
    assert (books.value(NEXT_DUE), books.value(AT_STAKE)) == (NOW + 3 * DAY, 4000)
    store.close()


def test_a_deadline_that_has_passed_gives_way_to_the_next_one_without_any_event(books: Books) -> None:
    for seconds in (DAY, 2 * DAY, -DAY, 200 * DAY):
        books.send("charge.dispute.created", dispute(books, **due(NOW + seconds)))
    assert books.value(NEXT_DUE) == NOW + DAY
    books.pass_time(DAY)
    assert books.value(NEXT_DUE) == NOW + 2 * DAY
    books.pass_time(DAY)
    assert books.value(NEXT_DUE) == 0


def test_the_last_payout_is_the_newest_that_was_paid(books: Books) -> None:
    for kind, made_at in (("paid", NOW - DAY), ("paid", NOW - 2 * DAY), ("failed", NOW)):
        payout = account.payout(books.ids, created_at=made_at, status=kind)
        books.send(f"payout.{kind}", payout, created_at=made_at)
    assert books.value("billing_last_payout_timestamp_seconds") == NOW - DAY
    assert books.value("billing_payouts_total", status="failed") == 1
