from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bw_exporter.checks import duplicate_charge
from bw_exporter.config.check_settings import DuplicateChargeSettings
from bw_exporter.store import open_store
from bw_simulator.shop.objects import invoices, payments
from support.books import NOW, Books, tenant

if TYPE_CHECKING:
    from pathlib import Path

    from bw_exporter.store import Store

FOUND = "billing_duplicate_charges_total"


def sale(books: Books, after: int = 0, **fields: Any) -> dict[str, Any]:
    """A captured charge of one customer, `after` seconds from the first."""
    fields = {"customer": "cus_1", "amount": 2000, **fields}
    return payments.charge(books.ids, created_at=NOW - 3600 + after, **fields)


def sell(books: Books, *charges: dict[str, Any]) -> None:
    for charge in charges:
        books.send("charge.succeeded", charge)


def found(books: Books) -> float:
    books.pass_time(121)
    return books.value(FOUND)


def test_the_same_payer_charged_the_same_twice_is_found_after_the_grace(books: Books) -> None:
    first, second = sale(books), sale(books, after=30)
    sell(books, first, second)
    books.pass_time(119)
    assert books.value(FOUND) == 0
    books.pass_time(2)
    assert books.value(FOUND) == 1
    assert books.value("billing_duplicate_charge_minor_units_total", currency="usd") == 2000
    assert books.value("billing_last_duplicate_charge_timestamp_seconds") == books.now
    (finding,) = books.findings()
    assert tuple(finding.details) == duplicate_charge.DETAILS
    assert finding.details["charge"] == second["id"]
    assert finding.details["duplicate_of"] == first["id"]
    assert finding.details["seconds_apart"] == 30
    assert finding.details["link"].startswith("https://dashboard.stripe.com/payments/")


@given(order=st.permutations(range(5)))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_n_equal_charges_give_n_less_one_duplicates_in_any_arrival_order(
    order: list[int], tmp_path: Path
) -> None:
    store = open_store(f"sqlite:///{tmp_path}/{'-'.join(map(str, order))}.db")
    books = Books(store, tenant())
    charges = [sale(books, after=60 * number) for number in range(5)]
    for place in order:
        sell(books, charges[place])
        books.pass_time(50)
    assert found(books) == 4
    assert {finding.details["charge"] for finding in books.findings()} == {c["id"] for c in charges[1:]}
    store.close()


def test_the_window_is_of_the_charges_not_of_the_arrivals(books: Books) -> None:
    sell(books, sale(books), sale(books, after=301))
    assert found(books) == 0
    sell(books, sale(books, after=600))
    assert found(books) == 1


def test_charges_made_together_are_found_though_they_arrive_days_apart(books: Books) -> None:
    first, second = sale(books), sale(books, after=10)
    sell(books, first)
    books.pass_time(3 * 86400)
    sell(books, second)
    assert found(books) == 1


def test_another_amount_currency_or_payer_is_another_sale(books: Books) -> None:
    sell(
        books,
        sale(books),
        sale(books, after=1, amount=2001),
        sale(books, after=2, currency="eur"),
        sale(books, after=3, customer="cus_2"),
    )
    assert found(books) == 0


def test_guests_are_matched_by_their_card(books: Books) -> None:
    sell(books, *(sale(books, after=n, customer=None, fingerprint="fp_same") for n in (0, 9)))
    assert found(books) == 1


def test_a_customer_and_a_guest_with_the_same_card_are_one_payer(books: Books) -> None:
    sell(books, sale(books, fingerprint="fp_same"), sale(books, 9, customer=None, fingerprint="fp_same"))
    assert found(books) == 1


def test_a_charge_without_a_payer_is_counted_as_not_checked(books: Books) -> None:
    nobody = sale(books, customer=None, payment_method_details=None)
    sell(books, nobody, nobody)
    assert books.value("billing_duplicate_checks_skipped_total", reason="no_payer") == 1
    assert found(books) == 0


def test_one_payment_intent_is_never_its_own_duplicate(books: Books) -> None:
    sell(books, sale(books, payment_intent="pi_1"), sale(books, 5, payment_intent="pi_1"))
    assert found(books) == 0


def test_two_invoices_are_two_debts_in_the_old_shape(books: Books) -> None:
    sell(books, sale(books, invoice="in_1", shape="old"), sale(books, 5, invoice="in_2", shape="old"))
    assert found(books) == 0


def test_two_invoices_are_two_debts_when_the_links_arrive_within_the_grace(books: Books) -> None:
    sell(books, sale(books, payment_intent="pi_1"), sale(books, 5, payment_intent="pi_2"))
    books.pass_time(60)
    for number in (1, 2):
        line = invoices.one_off_line(books.ids, amount=2000, period_start_at=books.now)
        invoice = invoices.invoice(books.ids, created_at=books.now, lines=[line])
        link = invoices.invoice_payment(
            books.ids, invoice=invoice, payment_intent=f"pi_{number}", created_at=books.now
        )
        books.send("invoice_payment.paid", link)
    assert found(books) == 0


def test_one_invoice_paid_twice_is_a_duplicate(books: Books) -> None:
    sell(books, sale(books, invoice="in_1", shape="old"), sale(books, 5, invoice="in_1", shape="old"))
    assert found(books) == 1


def test_one_with_an_invoice_and_one_without_is_a_duplicate(books: Books) -> None:
    sell(books, sale(books, invoice="in_1", shape="old"), sale(books, 5))
    assert found(books) == 1


def test_a_charge_made_after_the_first_was_refunded_in_full_is_legal(books: Books) -> None:
    first = sale(books)
    sell(books, first)
    refund = payments.refund(books.ids, charge=first, created_at=first["created"] + 20)
    books.send("refund.created", refund)
    sell(books, sale(books, after=20))
    assert found(books) == 0


def test_refunding_the_second_charge_does_not_undo_what_was_taken_twice(books: Books) -> None:
    first, second = sale(books), sale(books, after=10)
    sell(books, first, second)
    refunded = payments.refunded(second)
    books.send("charge.refunded", refunded, previous_attributes={"amount_refunded": 0})
    assert found(books) == 1


def test_a_partial_refund_explains_nothing(books: Books) -> None:
    first = sale(books)
    sell(books, first)
    books.send("charge.refunded", payments.refunded(first, 500), created_at=first["created"] + 5)
    sell(books, sale(books, after=20))
    assert found(books) == 1


def test_what_took_no_money_is_no_duplicate(books: Books) -> None:
    held = sale(books, after=5, captured=False)
    sell(books, sale(books), held, sale(books, after=9, source_transfer="tr_1"))
    books.send("charge.failed", payments.failed_charge(books.ids, created_at=books.now, customer="cus_1"))
    assert found(books) == 0
    books.send("charge.captured", {**held, "captured": True, "amount_captured": 2000})
    assert found(books) == 1


def test_the_window_is_the_tenants_own(store: Store) -> None:
    books = Books(
        store, tenant(detectors={"duplicate_charge": DuplicateChargeSettings(window="10s", grace="1s")})
    )
    sell(books, sale(books), sale(books, after=11))
    assert found(books) == 0
    sell(books, sale(books, after=21))
    assert found(books) == 1


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)  # thousands of reads, and no other kind of them
@pytest.mark.parametrize("seconds_apart", [0, 1])
@pytest.mark.parametrize("order", ["in order", "newest first", "shuffled", "oldest last"])
def test_a_long_burst_of_equal_charges_is_found_whole(books: Books, seconds_apart: int, order: str) -> None:
    charges = [sale(books, after=seconds_apart * number) for number in range(80)]
    arriving = {
        "in order": charges,
        "newest first": charges[::-1],
        "shuffled": random.Random(7).sample(charges, len(charges)),
        "oldest last": charges[1:] + charges[:1],
    }[order]
    sell(books, *arriving)
    assert found(books) == 79


def test_a_refund_that_failed_excuses_nothing(books: Books) -> None:
    first = sale(books)
    sell(books, first)
    refund = payments.refund(books.ids, charge=first, created_at=first["created"] + 5)
    books.send("refund.created", refund)
    sell(books, sale(books, after=20))
    assert found(books) == 0
    books.send("refund.failed", {**refund, "status": "failed"})
    assert found(books) == 1


def test_a_link_that_a_later_event_of_the_charge_brings_is_taken(books: Books) -> None:
    sold = [sale(books, after=n) for n in (0, 5)]
    sell(books, *sold)
    for number, charge in enumerate(sold):
        books.send("charge.captured", {**charge, "invoice": f"in_{number}"})
    assert found(books) == 0


def test_payment_intents_of_old_accounts_name_their_invoices(books: Books) -> None:
    for number in (1, 2):
        intent = payments.payment_intent(books.ids, created_at=NOW, id=f"pi_{number}", invoice=f"in_{number}")
        books.send("payment_intent.succeeded", {**intent, "invoice": f"in_{number}"})
        sell(books, sale(books, after=number, payment_intent=f"pi_{number}"))
    assert found(books) == 0


def paid_in_parts(books: Books, *amounts: int, due: int, linked: bool = True) -> dict[str, Any]:
    """One invoice, paid by charges a minute apart; the invoice's own event comes last."""
    line = invoices.one_off_line(books.ids, amount=due, period_start_at=books.now)
    invoice = invoices.invoice(books.ids, created_at=NOW - 7200, lines=[line], status="paid")
    for number, amount in enumerate(amounts):
        intent = f"pi_{number}"
        sell(books, sale(books, 60 * number, amount=amount, payment_intent=intent))
        if linked:
            link = invoices.invoice_payment(
                books.ids,
                invoice=invoice,
                payment_intent=intent,
                created_at=NOW - 3600 + 60 * number,
                amount_paid=amount,
            )
            books.send("invoice_payment.paid", link)
    return {**invoice, "amount_paid": sum(amounts), "amount_overpaid": max(0, sum(amounts) - due)}


@pytest.mark.parametrize(
    ("amounts", "due", "duplicates"),
    [
        ((5000, 5000), 10000, 0),
        ((5000, 5000), 5000, 1),
        ((5000, 5000, 5000), 10000, 1),
        ((3000, 5000, 5000), 13000, 0),
        ((3000, 5000, 5000), 8000, 1),
    ],
)
@pytest.mark.parametrize("kind", ["invoice.paid", "invoice.overpaid", "invoice.finalized"])
def test_parts_of_one_invoice_are_no_duplicates_up_to_what_is_due(
    books: Books, amounts: tuple[int, ...], due: int, duplicates: int, kind: str
) -> None:
    books.send(kind, paid_in_parts(books, *amounts, due=due))
    assert found(books) == duplicates


def test_parts_are_parts_though_the_invoice_was_finalised_months_before(books: Books) -> None:
    line = invoices.one_off_line(books.ids, amount=15000, period_start_at=books.now)
    invoice = invoices.invoice(books.ids, created_at=NOW, lines=[line], id="in_1")
    books.send("invoice.finalized", invoice)
    books.pass_time(60 * 86400)
    for number in range(2):
        charge = payments.charge(
            books.ids,
            created_at=books.now + number,
            customer="cus_1",
            amount=5000,
            payment_intent=f"pi_{number}",
        )
        sell(books, charge)
        link = invoices.invoice_payment(
            books.ids,
            invoice=invoice,
            payment_intent=f"pi_{number}",
            created_at=books.now,
            amount_paid=5000,
        )
        books.send("invoice_payment.paid", link)
    assert found(books) == 0


@pytest.mark.parametrize(
    ("reference", "duplicates"), [("in_{}", 0), ("order_{}", 1), ("in_same", 1), (None, 1)]
)
def test_the_invoice_that_a_payment_intent_names_as_its_order_is_taken(
    books: Books, reference: str | None, duplicates: int
) -> None:
    for number in range(2):
        intent = payments.payment_intent(books.ids, created_at=NOW, id=f"pi_{number}")
        named = reference and reference.format(number)
        books.send("payment_intent.succeeded", {**intent, "payment_details": {"order_reference": named}})
        sell(books, sale(books, after=number, payment_intent=f"pi_{number}"))
    assert found(books) == duplicates


@pytest.mark.parametrize("first_fails", [True, False])
@pytest.mark.parametrize("failure_comes_first", [True, False])
def test_a_bank_debit_that_failed_after_all_has_no_duplicate_and_is_none(
    books: Books, first_fails: bool, failure_comes_first: bool
) -> None:
    account = {"type": "us_bank_account", "us_bank_account": {"fingerprint": "fp"}}
    debits = [sale(books, n, payment_method_details=account) for n in (0, 60)]
    failed = {**debits[0 if first_fails else 1], "status": "failed", "captured": False}
    if failure_comes_first:
        books.send("charge.failed", failed)
    sell(books, *debits)
    if not failure_comes_first:
        books.send("charge.failed", failed)
    assert found(books) == 0


def test_two_different_cards_are_two_parts_of_a_sale(books: Books) -> None:
    sell(books, sale(books, fingerprint="fp_1"), sale(books, 5, fingerprint="fp_2"))
    assert found(books) == 0


def test_a_payment_method_that_is_not_known_is_no_other_one(books: Books) -> None:
    wallet = {"type": "paypal", "paypal": {"payer_id": "x"}}
    sell(books, sale(books, fingerprint="fp_1"), sale(books, 5, payment_method_details=wallet))
    assert found(books) == 1


@pytest.mark.parametrize("method", ["card_present", "interac_present"])
@pytest.mark.parametrize(("setting", "duplicates"), [("ignore", 0), ("count", 1)])
def test_a_card_held_to_a_terminal_twice_is_two_sales_unless_the_tenant_says_otherwise(
    store: Store, method: str, setting: Any, duplicates: int
) -> None:
    settings = DuplicateChargeSettings(card_present=setting)
    books = Books(store, tenant(detectors={"duplicate_charge": settings}))
    tap = {"type": method, method: {"fingerprint": "fp_same"}}
    sell(books, *(sale(books, n, customer=None, payment_method_details=tap) for n in (0, 90)))
    assert found(books) == duplicates


@pytest.mark.parametrize(
    ("first", "second", "duplicates"),
    [
        ({"order_id": "1"}, {"order_id": "2"}, 0),
        ({"order_id": "1", "seat": "a"}, {"order_id": "1", "seat": "b"}, 0),
        ({"order_id": "1"}, {"order_id": "1"}, 1),
        ({"order_id": "1"}, {}, 1),
        ({"cart": "1"}, {"cart": "2"}, 1),
    ],
)
def test_charges_whose_metadata_differ_in_a_key_of_the_tenants_are_different_purchases(
    store: Store, first: dict[str, str], second: dict[str, str], duplicates: int
) -> None:
    settings = DuplicateChargeSettings(distinct_metadata=["order_id", "seat"])
    books = Books(store, tenant(detectors={"duplicate_charge": settings}))
    sell(books, sale(books, metadata=first), sale(books, 5, metadata=second))
    assert found(books) == duplicates


def test_a_charge_remembered_by_an_older_version_is_compared_all_the_same(books: Books) -> None:
    first, second = sale(books), sale(books, 5)
    sell(books, first)

    def forget_what_is_new(tx: Any) -> None:
        kept = orjson.loads(tx.load("prod", "paid", first["id"]))
        for name in ("instrument", "purchase", "failed"):
            del kept[name]
        tx.save("prod", "paid", first["id"], orjson.dumps(kept), books.now + 10**6)

    books.store.write(forget_what_is_new)
    sell(books, second)
    assert found(books) == 1
