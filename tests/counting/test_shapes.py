"""What Stripe may leave out, null, expand or break."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from bw_exporter.metrics import catalog
from bw_exporter.metrics.series import Add
from bw_simulator.shop.objects import disputes, invoices, payments, subscriptions
from support.books import NOW, Books

if TYPE_CHECKING:
    from collections.abc import Callable

IGNORED = "billing_events_ignored_total"


def charge(books: Books) -> dict[str, Any]:
    return payments.charge(
        books.ids, created_at=NOW, customer="cus_1", fingerprint="fp", payment_intent="pi_1"
    )


def dispute(books: Books) -> dict[str, Any]:
    return disputes.dispute(books.ids, charge=charge(books), created_at=NOW)


def subscription(books: Books) -> dict[str, Any]:
    price = subscriptions.price(books.ids)
    item = subscriptions.subscription_item(books.ids, price=price, created_at=NOW)
    return subscriptions.subscription(books.ids, created_at=NOW, items=[item])


def invoice(books: Books) -> dict[str, Any]:
    item = subscription(books)["items"]["data"][0]
    line = invoices.subscription_line(books.ids, subscription="sub_1", item=item, period_start_at=NOW)
    return invoices.invoice(books.ids, created_at=NOW, lines=[line], subscription="sub_1")


OBJECTS: dict[str, Callable[[Books], dict[str, Any]]] = {
    "charge.succeeded": charge,
    "charge.failed": charge,
    "charge.refunded": charge,
    "charge.dispute.created": dispute,
    "charge.dispute.funds_withdrawn": dispute,
    "customer.subscription.updated": subscription,
    "invoice.paid": invoice,
    "invoice.payment_failed": invoice,
}


@pytest.mark.parametrize("kind", OBJECTS)
def test_a_field_that_is_null_or_missing_is_never_malformed(books: Books, kind: str) -> None:
    whole = OBJECTS[kind](books)
    for field in whole:
        books.send(kind, {**whole, field: None})
        books.send(kind, {name: value for name, value in whole.items() if name != field})
    books.send(kind, {})
    assert books.value(IGNORED) == 0
    assert books.value("billing_events_total", type=kind) == 2 * len(whole) + 1


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        ("charge.succeeded", "amount_captured", "2000"),
        ("charge.succeeded", "amount_captured", -1),
        ("charge.succeeded", "amount_captured", 10**30),
        ("charge.succeeded", "captured", "yes"),
        ("charge.succeeded", "customer", 5),
        ("charge.failed", "outcome", []),
        ("invoice.paid", "amount_paid", 20.5),
        ("invoice.paid", "lines", "none"),
        ("customer.subscription.updated", "items", {"data": [1]}),
        ("charge.dispute.funds_withdrawn", "balance_transactions", [{"net": "x"}]),
    ],
)
def test_a_field_of_another_type_makes_an_event_malformed_and_nothing_else(
    books: Books, kind: str, field: str, value: object
) -> None:
    books.send(kind, {**OBJECTS[kind](books), field: value})
    assert books.value(IGNORED, reason="malformed") == 1
    assert books.value("billing_events_total") == 0
    assert books.value("billing_revenue_minor_units_total") == 0


AMOUNTS = {
    "charge.succeeded": ("amount", "amount_captured", "amount_refunded"),
    "charge.captured": ("amount", "amount_captured", "amount_refunded"),
    "charge.pending": ("amount",),
    "charge.failed": ("amount",),
    "charge.expired": ("amount",),
    "charge.updated": ("amount",),
    "charge.refunded": ("amount", "amount_refunded"),
    "charge.dispute.created": ("amount",),
    "charge.dispute.closed": ("amount",),
    "refund.created": ("amount",),
    "refund.failed": ("amount",),
    "charge.refund.updated": ("amount",),
    "payment_intent.succeeded": ("amount", "amount_received"),
    "payment_intent.payment_failed": ("amount",),
    "invoice.finalized": ("total", "amount_due"),
    "invoice.paid": ("amount_paid",),
    "invoice.payment_failed": ("amount_remaining",),
    "invoice_payment.paid": ("amount_paid",),
    "payout.paid": ("amount",),
    "checkout.session.completed": ("amount_total",),
}


@pytest.mark.parametrize(("kind", "field"), [(kind, one) for kind, named in AMOUNTS.items() for one in named])
def test_an_amount_that_is_no_integer_makes_any_event_malformed_and_nothing_else(
    books: Books, kind: str, field: str
) -> None:
    about = {"id": "x_1", "invoice": "in_1", "payment": {"charge": "ch_1"}}
    for wrong in ("2000", 20.5, True, []):
        books.send(kind, {**about, field: wrong})
    assert books.value(IGNORED) == books.value(IGNORED, reason="malformed") == 4
    of_every_store = ("billing_webhook_lag_", "billingwatch_family_began_")
    moved = {name for name, _ in books.everything() if not name.startswith(of_every_store)}
    assert moved == {
        IGNORED,
        "billing_last_event_timestamp_seconds",
        "billing_tenant_created_timestamp_seconds",
        "billingwatch_store_commits_total",
        "billingwatch_webhook_requests_total",
    }
    for right in (None, 2000, 0):
        books.send(kind, {**about, field: right})
    books.send(kind, about)
    assert books.value("billing_events_total", type=kind) == 4


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        ("payout.paid", "amount"),
        ("invoice.finalized", "total"),
        ("checkout.session.completed", "amount_total"),
    ],
)
def test_a_payout_or_a_total_may_be_negative(books: Books, kind: str, field: str) -> None:
    books.send(kind, {"id": "x_1", field: -1})
    assert books.value("billing_events_total", type=kind) == 1


def test_amounts_are_exact_to_the_last_minor_unit_below_2_to_53(books: Books) -> None:
    largest = 2**53 - 1
    sold = payments.charge(books.ids, created_at=NOW, amount=largest)
    books.send("charge.succeeded", sold)
    books.send(
        "charge.refunded", {**sold, "amount_refunded": largest}, previous_attributes={"amount_refunded": 1}
    )
    moved = [{"id": "txn_1", "net": -largest, "currency": "usd"}]
    books.send("charge.dispute.funds_withdrawn", {**dispute(books), "balance_transactions": moved})
    books.send("charge.succeeded", {**charge(books), "amount": 2**53})
    assert books.value(IGNORED, reason="malformed") == 1
    assert books.value("billing_revenue_minor_units_total") == largest
    assert books.value("billing_refunded_minor_units_total") == largest - 1
    assert books.value("billing_dispute_funds_minor_units_total") == largest
    line = f'billing_revenue_minor_units_total{{tenant="prod",currency="usd"}} {largest}\n'
    assert line.encode() in b"\n".join(lines for _, lines in books.store.families(["prod"])) + b"\n"


def test_a_thousand_of_the_largest_amounts_add_up(books: Books) -> None:
    largest = 2**53 - 1
    add = Add(catalog.REVENUE, ("usd",), largest)
    books.store.write(lambda tx: [tx.change("prod", [add]) for _ in range(1024)])
    line = f'billing_revenue_minor_units_total{{tenant="prod",currency="usd"}} {1024 * largest}\n'
    assert line.encode() in b"\n".join(lines for _, lines in books.store.families(["prod"])) + b"\n"


def test_what_cannot_be_read_is_told_once_without_its_value(
    books: Books, caplog: pytest.LogCaptureFixture
) -> None:
    broken = books.event("charge.succeeded", {**charge(books), "amount_captured": "secret"})
    books.deliver(broken, broken)
    (record,) = caplog.records
    assert vars(record)["problem"] == "amount_captured is no integer in range"
    assert vars(record)["event"] == broken["id"]
    assert "secret" not in str(vars(record))


def test_an_event_whose_object_cannot_be_read_still_has_a_lag_and_a_mode(books: Books) -> None:
    late = books.event("charge.succeeded", {}, created_at=NOW - 60)
    books.deliver({**late, "data": None}, {**late, "id": "evt_2", "data": None, "livemode": False})
    assert books.value("billing_webhook_lag_seconds_sum") == 120
    assert books.value(IGNORED, reason="malformed") == books.value(IGNORED, reason="wrong_mode") == 1


def test_an_organization_names_its_account_as_context_and_its_events_count(books: Books) -> None:
    books.deliver({**books.event("charge.succeeded", charge(books)), "context": "acct_1"})
    assert books.value("billing_revenue_minor_units_total") == 2000
    connected = books.event("charge.succeeded", charge(books), account="acct_1")
    books.deliver({**connected, "context": "acct_1"})
    assert books.value(IGNORED) == books.value(IGNORED, reason="connect") == 1


@pytest.mark.parametrize("data", [None, {}, {"object": None}, {"object": []}, []])
def test_an_event_whose_object_cannot_be_read_is_accepted_and_counted_malformed(
    books: Books, data: object
) -> None:
    event = {**books.event("charge.succeeded", {}), "data": data}
    assert books.deliver(event, event) == ["accepted", "redelivered"]
    assert books.value(IGNORED, reason="malformed") == 1


def test_ids_may_be_expanded_objects(books: Books) -> None:
    sold = {**charge(books), "customer": {"id": "cus_1"}, "payment_intent": {"id": "pi_1"}}
    books.send("charge.succeeded", sold)
    books.send("payment_intent.payment_failed", {"id": "pi_2", "latest_charge": {"id": "ch_2"}})
    assert books.value("billing_revenue_minor_units_total") == 2000
    assert books.value("billing_authentication_failures_total") == 0


def test_accounts_of_before_2022_embed_the_charges_of_a_payment_intent(books: Books) -> None:
    intent = {"id": "pi_2", "charges": {"object": "list", "data": [{"id": "ch_2"}]}}
    books.send("payment_intent.payment_failed", intent)
    assert books.value("billing_authentication_failures_total") == 0


@pytest.mark.parametrize("odd", ["x" * 100_000, "\ud83d", "nul\0", "dé"])
def test_strings_that_stripe_would_not_send_are_bounded_and_counted_all_the_same(
    books: Books, odd: str
) -> None:
    before = books.store.size_bytes()
    sold = {**charge(books), "id": odd, "customer": odd, "currency": odd, "payment_intent": odd}
    for name in ("a", "b"):
        books.send("charge.succeeded", {**sold, "id": odd + name})
    books.pass_time(121)
    assert books.value("billing_revenue_minor_units_total", currency="other") == 4000
    assert books.store.size_bytes() - before < 3_000_000


def test_the_mode_of_the_tenant_is_the_mode_that_counts(books: Books) -> None:
    books.send("charge.succeeded", charge(books), livemode=False)
    books.send("charge.succeeded", charge(books), livemode=True, account="acct_1")
    assert books.value(IGNORED, reason="wrong_mode") == books.value(IGNORED, reason="connect") == 1
    assert books.value("billing_revenue_minor_units_total") == 0
    assert books.value("billing_last_event_timestamp_seconds") == NOW


def test_an_event_type_nobody_listed_counts_as_other(books: Books) -> None:
    books.send("treasury.received_credit.created", {"id": "rc_1"})
    assert books.value("billing_events_total", type="other") == 1


@pytest.mark.parametrize(
    "odd",
    [
        "=HYPERLINK(1)",
        "+1",
        "-1+1",
        "@SUM(A1)",
        "ch_1 tenant=other",
        'ch_1"',
        "ch_1,2",
        "ch 1",
        "x" * 256,
    ],
)
def test_no_id_or_currency_reaches_a_finding_that_means_something_to_a_spreadsheet_or_a_log(
    books: Books, odd: str
) -> None:
    item = {"id": odd, "price": {"unit_amount": 100, "currency": odd}, "quantity": 1}
    about = {"id": odd, "status": "active", "items": {"data": [item]}}
    books.send("customer.subscription.created", about, created_at=NOW - 86400)
    line = {"id": odd, "amount": 7, "currency": odd, "subscription_item": odd, "type": "subscription"}
    invoice = {"id": odd, "status": "open", "subscription": odd, "lines": {"data": [line]}}
    books.send("invoice.finalized", invoice)
    for number in range(2):
        sold = {
            **charge(books),
            "id": f"{odd}{number}",
            "payment_intent": f"{odd}{number}",
            "created": NOW + number,
        }
        books.send("charge.succeeded", {**sold, "customer": "cus_1"})
    books.pass_time(901)
    books.pass_time(901)
    found = books.findings()
    assert {finding.kind for finding in found} == {"duplicate_charge", "invoice_mismatch"}
    told = orjson.loads(orjson.dumps([finding.details for finding in found]))
    texts = [text for details in told for text in strings(details)]
    assert [text for text in texts if not re.fullmatch(r"([A-Za-z0-9][A-Za-z0-9_.:/-]*)?", text)] == []


def strings(value: object) -> list[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [text for each in value for text in strings(each)]
    return [value] if isinstance(value, str) else []
