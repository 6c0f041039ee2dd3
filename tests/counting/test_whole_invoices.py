"""Invoices that bill a time twice, and those that ask for nothing or less."""

from __future__ import annotations

import itertools
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from bw_exporter.checks import double_invoice, negative_invoice
from bw_exporter.store import open_store
from support.books import NOW, Books, tenant

from .billing import Billing

if TYPE_CHECKING:
    from pathlib import Path

DAY, MONTH = 86400, 30 * 86400
FOUND = "billing_findings_total"


@pytest.fixture(params=["old", "new"])
def billing(books: Books, request: pytest.FixtureRequest) -> Billing:
    return Billing(books, request.param)


def found(books: Books, kind: str) -> list[dict[str, Any]]:
    books.pass_time(901)
    books.pass_time(901)
    details = [each.details for each in books.findings() if each.kind == kind]
    assert books.value(FOUND, kind=kind) == len(details)
    return details


def test_a_subscription_billed_twice_for_one_month_is_one_finding(billing: Billing) -> None:
    books, item = billing.books, billing.item()
    billing.tell(item)
    first = billing.invoice(billing.line(item), created_at=NOW - 60)
    second = billing.invoice(billing.line(item))
    books.send("invoice.paid", {**second, "status": "paid", "amount_paid": 2000})
    assert books.value(FOUND) == 0
    (details,) = found(books, "double_invoice")
    assert tuple(details) == double_invoice.DETAILS
    assert (details["invoice"], details["duplicate_of"]) == (second["id"], first["id"])
    assert (details["amount"], details["period_end_at"]) == (2000, NOW + MONTH)
    books.send("invoice.updated", second)
    assert len(found(books, "double_invoice")) == 1
    assert books.value("billing_last_finding_timestamp_seconds") == NOW + 901


@pytest.mark.parametrize(
    ("line", "invoice", "status"),
    [
        ({"period_start_at": NOW + MONTH}, {}, "open"),
        ({"period_start_at": NOW - MONTH + DAY}, {}, "open"),
        ({"proration": True}, {}, "open"),
        ({"amount": 0}, {}, "open"),
        ({}, {"amount_due": 0}, "paid"),
        ({}, {"billing_reason": "subscription_update"}, "open"),
        ({}, {"billing_reason": "subscription_threshold"}, "open"),
        ({}, {"from_invoice": {"action": "revision", "invoice": "in_1"}}, "open"),
        ({}, {"test_clock": "clock_1"}, "open"),
        ({}, {"post_payment_credit_notes_amount": 2000}, "paid"),
        ({}, {}, "draft"),
        ({}, {}, "void"),
        ({}, {}, "uncollectible"),
    ],
)
def test_what_is_no_second_bill_for_the_same_time_is_not_found(
    billing: Billing, line: dict[str, Any], invoice: dict[str, Any], status: str
) -> None:
    item = billing.item()
    billing.tell(item)
    billing.invoice(billing.line(item), created_at=NOW - 60)
    billing.invoice(billing.line(item, **line), **invoice, status=status)
    assert not found(billing.books, "double_invoice")


def test_two_items_of_one_subscription_may_be_billed_apart(billing: Billing) -> None:
    billing.invoice(billing.line(billing.item()), created_at=NOW - 60)
    billing.invoice(billing.line({**billing.item(), "id": "si_2"}))
    assert not found(billing.books, "double_invoice")


def test_a_credit_on_the_second_invoice_says_that_it_follows_a_change(billing: Billing) -> None:
    item = billing.item()
    billing.invoice(billing.line(item), created_at=NOW - 60)
    billing.invoice(billing.line(item), billing.line(item, proration=True, amount=-900))
    assert not found(billing.books, "double_invoice")


def test_three_bills_for_one_month_are_two_findings_and_a_void_in_time_is_none_in_any_order(
    tmp_path: Path,
) -> None:
    for number, order in enumerate(list(itertools.permutations(range(4)))[::5]):
        with closing(open_store(f"sqlite:///{tmp_path}/{number}.db")) as store:
            books = Books(store, tenant())
            billing = Billing(books)
            item = billing.item()
            sent: list[dict[str, Any]] = []
            books.send = lambda kind, about, **_: sent.append(books.event(kind, about))  # type: ignore[method-assign]  # noqa: B023
            for seconds in range(3):
                billing.invoice(billing.line(item), created_at=NOW + seconds)
            voided = billing.invoice(billing.line(item), id="in_void", created_at=NOW - 1)
            sent.append(books.event("invoice.voided", {**voided, "status": "void"}))
            first, *rest = sent
            books.deliver(first, *(rest[place] for place in order))
            assert len(found(books, "double_invoice")) == 2


def test_only_the_last_bills_of_a_subscription_are_remembered(books: Books) -> None:
    billing = Billing(books)
    item = billing.item()
    for month in range(12):
        billing.invoice(billing.line(item, period_start_at=NOW + month * MONTH), created_at=NOW + month)
    remembered = books.store.write(lambda tx: tx.load("prod", "billed", "sub_1"))
    assert remembered is not None
    assert remembered.count(b"in_") == 4
    assert len(remembered) < 1000
    assert not found(books, "double_invoice")


def test_an_invoice_of_less_than_nothing_is_found_unless_prorations_explain_it(billing: Billing) -> None:
    books, item = billing.books, billing.item()
    billing.tell(item)
    billing.invoice(billing.line(item, amount=500), billing.line(item, proration=True, amount=-2000))
    billing.invoice(status="paid", total=-1500, amount_paid=0)
    billing.invoice(billing.line(item), billing.line(item, amount=-9000), status="void")
    dropped = billing.invoice(billing.line(item, amount=-9000), status="open")
    books.send("invoice.voided", {**dropped, "status": "void"})
    wrong = billing.invoice(billing.line(item, amount=-9000), status="paid", amount_paid=0)
    (details,) = found(books, "negative_invoice")
    assert tuple(details) == negative_invoice.DETAILS
    assert (details["invoice"], details["reason"], details["amount"]) == (wrong["id"], "negative", -9000)


def test_a_renewal_of_nothing_is_found_where_the_plan_costs_something(billing: Billing) -> None:
    item = billing.item(quantity=2)
    billing.tell(item)
    wrong = billing.invoice(billing.line(item, amount=0), status="paid")
    (details,) = found(billing.books, "negative_invoice")
    assert (details["invoice"], details["reason"], details["expected"]) == (wrong["id"], "zero", "4000")


@pytest.mark.parametrize(
    ("price", "subscription", "invoice"),
    [
        ({"unit_amount": 0}, {}, {}),
        ({"usage_type": "metered"}, {}, {}),
        ({"billing_scheme": "tiered"}, {}, {}),
        ({"quantity": 0}, {}, {}),
        ({}, {"trial_end_at": NOW}, {}),
        ({}, {"test_clock": "clock_1"}, {}),
        ({}, {"id": "sub_other"}, {}),
        ({}, {}, {"discounts": ["di_1"]}),
        ({}, {}, {"total_pretax_credit_amounts": [{"amount": 2000}]}),
        ({}, {}, {"billing_reason": "subscription_create"}),
        ({}, {}, {"total": None}),
    ],
)
def test_a_renewal_of_nothing_that_something_explains_is_not_found(
    books: Books, price: dict[str, Any], subscription: dict[str, Any], invoice: dict[str, Any]
) -> None:
    billing = Billing(books)
    item = billing.item(**price)
    known = {"id": "sub_1", **subscription}
    books.send("customer.subscription.created", billing.about(item, **known), created_at=billing.born_at)
    billing.invoice(billing.line(item, amount=0), status="paid", **invoice)
    assert not found(books, "negative_invoice")


def test_a_change_to_a_free_plan_that_comes_late_explains_a_renewal_of_nothing(billing: Billing) -> None:
    item = billing.item()
    billing.tell(item)
    billing.invoice(billing.line(item, amount=0), status="paid")
    billing.tell(billing.item(unit_amount=0), stage="updated", at=NOW - 60)
    assert not found(billing.books, "negative_invoice")
