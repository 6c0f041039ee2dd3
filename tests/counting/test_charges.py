from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING, Any

import pytest

from bw_simulator.shop.objects import payments
from support.books import Books, tenant

if TYPE_CHECKING:
    from bw_exporter.store import Store

REVENUE = "billing_revenue_minor_units_total"
CHARGES = "billing_charges_total"


def test_a_sale_is_counted_once_however_many_events_tell_of_it(books: Books) -> None:
    charge = payments.charge(books.ids, created_at=books.now, amount=2000, customer="cus_1")
    intent = payments.payment_intent(books.ids, created_at=books.now, amount=2000, charge=charge["id"])
    books.send("payment_intent.succeeded", intent)
    books.send("charge.succeeded", charge)
    books.send("charge.updated", charge)
    books.send("charge.captured", charge)
    assert books.value(REVENUE) == 2000
    assert books.value("billing_charge_attempts_total") == 1
    assert books.value("billing_charge_failures_total") == 0


def test_an_event_delivered_again_changes_nothing_but_its_own_count(books: Books) -> None:
    event = books.event("charge.succeeded", payments.charge(books.ids, created_at=books.now))
    assert books.deliver(event, event, event) == ["accepted", "redelivered", "redelivered"]
    assert books.value(REVENUE) == 2000
    assert books.value("billing_events_total") == 1
    assert books.value("billing_events_ignored_total", reason="redelivered") == 2
    assert books.value("billing_webhook_lag_seconds_count") == 1


def test_the_same_charge_in_two_different_events_is_one_sale(books: Books) -> None:
    charge = payments.charge(books.ids, created_at=books.now)
    books.send("charge.succeeded", charge)
    books.send("charge.succeeded", charge)
    assert books.value(REVENUE) == 2000


def test_an_authorisation_is_no_revenue_until_it_is_captured(books: Books) -> None:
    held = payments.charge(books.ids, created_at=books.now, amount=5000, captured=False)
    books.send("charge.succeeded", held)
    assert books.value(REVENUE) == 0
    books.send("charge.captured", {**held, "captured": True, "amount_captured": 3000})
    assert books.value(REVENUE) == 3000
    assert books.value("billing_charge_attempts_total") == 1


def test_a_capture_that_arrives_before_its_authorisation_counts_once(books: Books) -> None:
    held = payments.charge(books.ids, created_at=books.now, amount=5000, captured=False)
    books.send("charge.captured", {**held, "captured": True, "amount_captured": 5000})
    books.send("charge.succeeded", held)
    assert books.value(REVENUE) == 5000


def test_captures_in_parts_add_up_even_weeks_apart(books: Books) -> None:
    held = payments.charge(books.ids, created_at=books.now, amount=5000, captured=False)
    books.send("charge.succeeded", held)
    for captured in (1000, 2500, 5000):
        books.pass_time(9 * 86400)
        books.send("charge.captured", {**held, "captured": True, "amount_captured": captured})
    assert books.value(REVENUE) == 5000
    assert books.value("billing_charge_attempts_total") == 1


@pytest.mark.parametrize("basis", ["charge", "payment_intent", "invoice"])
def test_a_charge_that_took_money_is_one_sale_of_its_currency_in_any_order(store: Store, basis: str) -> None:
    books = Books(store, tenant(revenue_basis=basis))
    orders = list(permutations(range(4)))
    for order in orders:
        held = payments.charge(books.ids, created_at=books.now, amount=5000, currency="eur", captured=False)
        intent = payments.payment_intent(
            books.ids, created_at=books.now, amount=5000, currency="eur", charge=held["id"]
        )
        told = [
            ("charge.succeeded", held),
            ("charge.captured", {**held, "captured": True, "amount_captured": 3000}),
            ("charge.captured", {**held, "captured": True, "amount_captured": 5000}),
            ("payment_intent.succeeded", intent),
        ]
        for place in order:
            books.send(*told[place])
    assert books.value(CHARGES) == books.value(CHARGES, currency="eur") == len(orders)


def test_a_charge_that_took_no_money_is_no_sale(books: Books) -> None:
    books.send("charge.succeeded", payments.charge(books.ids, created_at=books.now, captured=False))
    books.send("charge.succeeded", payments.charge(books.ids, created_at=books.now, amount=0))
    books.send("charge.failed", payments.failed_charge(books.ids, created_at=books.now))
    assert books.value(CHARGES) == 0
    assert books.value("billing_charge_attempts_total") == 3


def test_on_the_payment_intent_basis_a_sale_needs_no_charge_events(store: Store) -> None:
    books = Books(store, tenant(revenue_basis="payment_intent"))
    for charge in ("ch_1", "ch_2"):
        intent = payments.payment_intent(books.ids, created_at=books.now, amount=1500, charge=charge)
        books.send("payment_intent.succeeded", intent)
    assert books.value(CHARGES, currency="usd") == 2


def test_a_pending_bank_debit_is_revenue_only_when_it_succeeds(books: Books) -> None:
    pending = payments.charge(books.ids, created_at=books.now, status="pending")
    books.send("charge.pending", pending)
    assert (books.value(REVENUE), books.value("billing_charge_attempts_total")) == (0, 0)
    books.send(
        "charge.succeeded", {**pending, "status": "succeeded", "captured": True, "amount_captured": 2000}
    )
    assert (books.value(REVENUE), books.value("billing_charge_attempts_total")) == (2000, 1)


def test_a_bank_debit_that_fails_after_it_succeeded_is_one_attempt_and_one_failure(books: Books) -> None:
    charge = payments.charge(books.ids, created_at=books.now)
    books.send("charge.succeeded", charge)
    books.send("charge.failed", {**charge, "status": "failed", "failure_code": "debit_not_authorized"})
    assert books.value("billing_charge_attempts_total") == 1
    assert books.value("billing_charge_failures_total", reason="debit_not_authorized") == 1
    assert books.value(REVENUE) == 2000


def test_the_mirror_of_a_destination_charge_is_no_second_sale(books: Books) -> None:
    books.send("charge.succeeded", payments.charge(books.ids, created_at=books.now, source_transfer="tr_1"))
    assert books.value(REVENUE) == 0
    assert books.value("billing_charge_attempts_total") == 0


def test_a_decline_is_one_failure_in_three_events_and_carries_its_listed_reason(books: Books) -> None:
    failed = payments.failed_charge(books.ids, created_at=books.now, decline_reason="insufficient_funds")
    intent = payments.failed_payment_intent(books.ids, created_at=books.now, charge=failed["id"])
    books.send("charge.failed", failed)
    books.send("payment_intent.payment_failed", intent)
    assert books.value("billing_charge_failures_total") == 1
    assert books.value("billing_charge_failures_total", reason="insufficient_funds") == 1
    assert books.value("billing_authentication_failures_total") == 0


def test_an_unlisted_decline_stays_card_declined_and_an_unknown_code_is_other(books: Books) -> None:
    for code, reason in (("card_declined", "a_new_reason"), ("a_new_code", None)):
        failed = payments.failed_charge(
            books.ids, created_at=books.now, failure_code=code, decline_reason=reason
        )
        books.send("charge.failed", failed)
    books.send("charge.failed", {"id": "ch_bare", "object": "charge"})
    for reason in ("card_declined", "other", "none"):
        assert books.value("billing_charge_failures_total", reason=reason) == 1


def test_a_payment_that_failed_before_any_charge_is_an_authentication_failure(books: Books) -> None:
    intent = payments.failed_payment_intent(books.ids, created_at=books.now)
    books.send("payment_intent.payment_failed", intent)
    books.send("payment_intent.payment_failed", intent)
    assert books.value("billing_authentication_failures_total") == 2
    assert books.value("billing_charge_failures_total") == 0


def test_money_keeps_its_currency_and_an_unknown_one_is_other(books: Books) -> None:
    for currency in ("jpy", "ISK", "zzz"):
        books.send("charge.succeeded", payments.charge(books.ids, created_at=books.now, currency=currency))
    for currency in ("jpy", "isk", "other"):
        assert books.value(REVENUE, currency=currency) == 2000


def test_on_the_payment_intent_basis_revenue_and_failures_need_no_charge_events(store: Store) -> None:
    books = Books(store, tenant(revenue_basis="payment_intent"))
    intent = payments.payment_intent(books.ids, created_at=books.now, amount=1500, charge="ch_1")
    books.send("payment_intent.succeeded", intent)
    failed = payments.failed_payment_intent(books.ids, created_at=books.now, charge="ch_2")
    books.send("payment_intent.payment_failed", failed)
    assert books.value(REVENUE) == 1500
    assert books.value("billing_charge_attempts_total") == 2
    assert books.value("billing_charge_failures_total", reason="generic_decline") == 1
    # The same objects told by charge events, where the account sends those too, add nothing.
    books.send("charge.succeeded", payments.charge(books.ids, created_at=books.now, id="ch_1"))
    books.send("charge.failed", payments.failed_charge(books.ids, created_at=books.now, id="ch_2"))
    assert books.value(REVENUE) == 1500
    assert books.value("billing_charge_attempts_total") == 2
    assert books.value("billing_charge_failures_total") == 1


def test_on_the_invoice_basis_revenue_is_what_invoices_were_paid(store: Store) -> None:
    books = Books(store, tenant(revenue_basis="invoice"))
    books.send("charge.succeeded", payments.charge(books.ids, created_at=books.now))
    paid = {"id": "in_1", "object": "invoice", "status": "paid", "amount_paid": 1900, "currency": "eur"}
    books.send("invoice.paid", paid)
    books.send("invoice.payment_succeeded", paid)
    assert books.value(REVENUE) == books.value(REVENUE, currency="eur") == 1900


IGNORED = "billing_events_ignored_total"


def copies(books: Books) -> list[dict[str, Any]]:
    """What a connected account sees of a destination charge and of its refund, which fails."""
    copy = payments.charge(books.ids, created_at=books.now, amount=1600, source_transfer="tr_1")
    refund = payments.refund(
        books.ids, charge=copy, created_at=books.now, amount=600, source_transfer_reversal="trr_1"
    )
    failed = {**refund, "status": "failed"}
    part = {**copy, "amount_refunded": 600}
    return [
        books.event("charge.succeeded", copy),
        books.event("charge.refunded", part, previous_attributes={"amount_refunded": 0}),
        books.event("refund.created", refund),
        books.event("charge.refund.updated", failed),
        books.event("refund.failed", failed),
    ]


def test_copies_of_destination_charges_are_ignored_and_counted_as_that(books: Books) -> None:
    told = copies(books)
    books.deliver(*told)
    assert books.value(IGNORED) == books.value(IGNORED, reason="destination_copy") == len(told)
    assert books.value("billing_events_total") == 0
    for name in (REVENUE, "billing_charge_attempts_total", "billing_refunds_total"):
        assert books.value(name) == 0


def test_a_connected_accounts_own_tenant_counts_the_copies(store: Store) -> None:
    books = Books(store, tenant(destination_charges="count"))
    books.deliver(*copies(books))
    assert (books.value(REVENUE), books.value("billing_charge_attempts_total")) == (1600, 1)
    assert books.value("billing_refunded_minor_units_total") == 600
    assert books.value("billing_refund_failures_total") == 1
    assert books.value(IGNORED) == 0


def test_a_destination_charge_on_the_platform_is_its_own(books: Books) -> None:
    fields: dict[str, Any] = {"transfer_data": {"destination": "acct_1"}, "transfer": "tr_1"}
    books.send("charge.succeeded", payments.charge(books.ids, created_at=books.now, **fields))
    assert books.value(REVENUE) == 2000
