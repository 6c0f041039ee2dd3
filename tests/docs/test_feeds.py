"""The reference says of each Stripe event what it moves: no more, no less."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from bw_exporter.facts import feeds
from bw_exporter.metrics import catalog
from bw_exporter.metrics.family import Family
from bw_exporter.metrics.labels import HANDLED_EVENT_TYPES
from bw_exporter.store import open_store
from bw_simulator.shop import objects
from bw_simulator.shop.ids import Ids
from support.books import NOW, Books, tenant

Told = tuple[str, dict[str, Any]]
"""A type of event and its object."""

STAGES = [name for name in HANDLED_EVENT_TYPES if name.startswith("customer.subscription.")]
INVOICES = [name for name in HANDLED_EVENT_TYPES if name.startswith("invoice.")]
DRAWN_UP = ("invoice.created", "invoice.voided")
MADE_AT = "made_at"
"""The key under which a story says when an event of an object is made, if not at once."""
OF_NOW = ("charge.failed", "payment_intent.payment_failed", "setup_intent.setup_failed")
"""What failed longer ago than some minutes moves less."""
BY_NAME = {name: family for family in catalog.FAMILIES for name in family.sample_names}


def charges(ids: Ids) -> Iterator[Told]:
    def paid(payer: str, **fields: Any) -> dict[str, Any]:
        return objects.charge(ids, created_at=NOW, customer=payer, **fields)

    yield "charge.pending", paid("cus_0", status="pending", captured=False)
    nobodys: dict[str, Any] = {"payment_method_details": {}}
    for name in ("charge.succeeded", "charge.captured"):
        yield name, {**objects.charge(ids, created_at=NOW, **nobodys), "customer": None}
    for number, last in enumerate(("charge.succeeded", "charge.captured")):
        yield "charge.succeeded", paid(f"cus_{number}")
        yield last, paid(f"cus_{number}")
    yield "charge.failed", objects.failed_charge(ids, created_at=NOW)
    yield "charge.expired", paid("cus_3", captured=False)
    yield "charge.updated", paid("cus_4")
    for name in ("refund.created", "refund.updated", "refund.failed", "charge.refund.updated"):
        whole = paid("cus_5")
        # The second step repeats the first, which had failed before it: of that the last event tells.
        for seconds in (0, 2):
            yield "charge.refunded", {**objects.refunded(whole), MADE_AT: NOW + seconds}
        yield name, {**objects.refund(ids, charge=whole, created_at=NOW, status="failed"), MADE_AT: NOW + 1}
    yield "payment_intent.succeeded", objects.payment_intent(ids, created_at=NOW, charge="ch_pi")
    yield "payment_intent.payment_failed", objects.failed_payment_intent(ids, created_at=NOW, charge="ch_no")
    yield "payment_intent.payment_failed", objects.failed_payment_intent(ids, created_at=NOW)
    refused = {"payment_method": {"id": "pm_1", **objects.card("kept")}}
    yield "payment_intent.payment_failed", {"id": ids.new("pi"), "last_payment_error": refused}
    yield "setup_intent.setup_failed", {"id": ids.new("seti"), "last_setup_error": refused}


def disputes(ids: Ids) -> Iterator[Told]:
    charge = objects.charge(ids, created_at=NOW)

    def due(days: int) -> dict[str, Any]:
        return {"evidence_details": {"due_by": NOW + days * 86_400}}

    opened = {**objects.dispute(ids, charge=charge, created_at=NOW), **due(9)}
    inquiry = objects.dispute(ids, charge=charge, created_at=NOW, status="warning_needs_response")
    yield "charge.dispute.created", opened
    yield "charge.dispute.created", inquiry
    yield "charge.dispute.updated", {**inquiry, **due(8), "status": "needs_response"}
    for days, moved in ((7, objects.withdrawn), (6, objects.reinstated)):
        name = f"charge.dispute.funds_{moved.__name__}"
        yield "charge.dispute.created", objects.dispute(ids, charge=charge, created_at=NOW)
        yield (
            name,
            {**moved(ids, opened, created_at=NOW), **due(days), "amount": days, MADE_AT: NOW + 9 - days},
        )
    yield "charge.dispute.closed", {**opened, "status": "won", MADE_AT: NOW + 9}
    warning = objects.early_fraud_warning(ids, charge=charge, created_at=NOW)
    yield "radar.early_fraud_warning.created", warning
    yield "radar.early_fraud_warning.updated", warning


def bills(ids: Ids) -> Iterator[Told]:
    item = objects.subscription_item(ids, price=objects.price(ids), created_at=NOW)
    known = objects.subscription(ids, created_at=NOW - 86_400, items=[item])
    yield "customer.subscription.created", known
    for name in INVOICES:
        status = {"invoice.created": "draft", "invoice.voided": "void"}.get(name, "paid")
        for subscription, amount in ((known["id"], 1), ("sub_unknown", 2000)):
            line = objects.subscription_line(
                ids, subscription=subscription, item=item, period_start_at=NOW, amount=amount
            )
            fields: dict[str, Any] = {"subscription": subscription, "status": status}
            yield name, objects.invoice(ids, created_at=NOW, lines=[line], **fields)
    paid = objects.invoice(ids, created_at=NOW, lines=[], subscription=None)
    yield (
        "invoice_payment.paid",
        objects.invoice_payment(ids, invoice=paid, payment_intent="pi_1", created_at=NOW),
    )


def subscriptions(ids: Ids) -> Iterator[Told]:
    changes = (("active", "past_due"), ("active", "trialing"), ("trialing", "active"))
    for stage, (before, after) in product(STAGES, changes):
        item = objects.subscription_item(ids, price=objects.price(ids), created_at=NOW)
        one = objects.subscription(ids, created_at=NOW, items=[item], status=before)
        yield "customer.subscription.created", one
        yield stage, {**one, "status": "canceled" if stage.endswith("deleted") else after}


def the_rest(ids: Ids) -> Iterator[Told]:
    for seconds, name in enumerate(HANDLED_EVENT_TYPES):
        if name.startswith("payout."):
            yield name, {**objects.payout(ids, created_at=NOW), MADE_AT: NOW + seconds}
        if name.startswith("checkout.session."):
            yield name, objects.checkout_session(ids, created_at=NOW)


def moved(folder: Path, basis: str) -> dict[str, set[Family]]:
    """Play everything to a tenant of this revenue basis; return what each type of event has moved."""
    found: dict[str, set[Family]] = defaultdict(set)
    for number, story in enumerate((charges, disputes, bills, subscriptions, the_rest)):
        store = open_store(f"sqlite:///{folder}/{basis}{number}.db")
        books = Books(store, tenant(revenue_basis=basis))
        for name, about in story(books.ids):
            before = books.everything()
            books.send(name, about, created_at=books.now if name in OF_NOW else about.get(MADE_AT, NOW))
            at_once = books.everything()
            for _ in range(3):
                books.pass_time(1000)
            for after in (
                at_once,
                books.everything(),
            ):  # a gauge of the last minutes has fallen again by then
                found[name] |= {
                    BY_NAME[sample]
                    for sample, labels in before.keys() | after.keys()
                    if before.get((sample, labels)) != after.get((sample, labels))
                }
        store.close()
    return found


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[Family]]:
    folder = tmp_path_factory.mktemp("stores")
    found: dict[str, set[Family]] = defaultdict(set)
    for basis in ("charge", "payment_intent", "invoice"):
        for name, families in moved(folder, basis).items():
            found[name] |= families
    return found


@pytest.mark.parametrize("name", HANDLED_EVENT_TYPES)
def test_an_event_moves_what_the_reference_says(name: str, played: dict[str, set[Family]]) -> None:
    every = set(feeds.EVERY_EVENT)
    assert every <= played[name]
    assert {one.name for one in played[name] - every} == {one.name for one in feeds.FEEDS.get(name, ())}


def test_every_metric_of_a_tenant_is_moved_by_something() -> None:
    fed = {family for families in feeds.FEEDS.values() for family in families} | set(feeds.EVERY_EVENT)
    stored = {family for family in catalog.FAMILIES if family.stored}
    assert {one.name for one in stored - fed} == {one.name for one in feeds.NO_EVENT}


def test_the_events_to_select_move_every_metric_and_hold_up_no_invoice() -> None:
    assert "invoice.created" not in feeds.SELECT
    fed = {family for name in feeds.SELECT for family in feeds.FEEDS.get(name, ())}
    assert fed == {family for families in feeds.FEEDS.values() for family in families}
    assert set(feeds.EXPLAINS) <= set(feeds.SELECT)
