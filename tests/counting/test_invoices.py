from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from bw_exporter import housekeeping
from bw_exporter.checks import invoice_mismatch
from bw_exporter.config.check_settings import InvoiceMismatchSettings
from bw_exporter.store import open_store
from bw_simulator.shop.objects import invoices
from support.books import NOW, Books, tenant

from .billing import Billing

if TYPE_CHECKING:
    from pathlib import Path

    from bw_exporter.store import Store

CHECKS, ABSTENTIONS = "billing_invoice_checks_total", "billing_invoice_abstentions_total"


@pytest.fixture(params=["old", "new"])
def billing(books: Books, request: pytest.FixtureRequest) -> Billing:
    return Billing(books, request.param)


def verdicts(books: Books) -> dict[str, float]:
    return {
        v: n
        for v in ("ok", "mismatch", "abstained", "not_applicable")
        if (n := books.value(CHECKS, verdict=v))
    }


def after_the_graces(books: Books) -> dict[str, float]:
    books.pass_time(901)
    books.pass_time(901)
    return verdicts(books)


def test_a_right_invoice_is_ok_at_once(billing: Billing) -> None:
    item = billing.item(quantity=3)
    billing.tell(item)
    billing.invoice(billing.line(item))
    assert verdicts(billing.books) == {"ok": 1}


def test_a_wrong_invoice_is_one_mismatch_after_the_grace_however_many_events_show_it(
    billing: Billing,
) -> None:
    item = billing.item()
    billing.tell(item)
    invoice = billing.invoice(billing.line(item, amount=2500), billing.line(item, amount=9))
    billing.books.send("invoice.paid", {**invoice, "status": "paid", "amount_paid": 2509})
    billing.books.send("invoice.updated", invoice)
    assert verdicts(billing.books) == {}
    assert after_the_graces(billing.books) == {"mismatch": 1}
    assert billing.books.value("billing_last_invoice_mismatch_timestamp_seconds") == NOW + 901
    (finding,) = billing.books.findings()
    assert tuple(finding.details) == invoice_mismatch.DETAILS
    assert finding.details["invoice"] == invoice["id"]
    assert [(line["amount"], line["expected"]) for line in finding.details["lines"]] == [
        (2500, "2000"),
        (9, "2000"),
    ]


def test_a_mismatch_waits_one_grace_where_newer_events_have_come_and_two_where_none_has(books: Books) -> None:
    billing = Billing(books)
    item = billing.item()
    billing.tell(item)
    billing.invoice(billing.line(item, amount=1))
    books.pass_time(901)
    assert verdicts(books) == {}
    billing.invoice(billing.line(item, amount=2))
    books.pass_time(901)
    assert verdicts(books) == {"mismatch": 1}
    books.send("payout.paid", {"id": "po_1"})
    books.pass_time(1)
    assert verdicts(books) == {"mismatch": 1}
    books.pass_time(900)
    assert verdicts(books) == {"mismatch": 2}


@pytest.mark.parametrize(
    ("line", "kind"),
    [({"amount": 2001}, "amount"), ({"amount": 8000, "quantity": 4}, "quantity")],
)
def test_a_finding_says_what_is_wrong(billing: Billing, line: dict[str, Any], kind: str) -> None:
    item = billing.item()
    billing.tell(item)
    billing.invoice(billing.line(item, **line))
    after_the_graces(billing.books)
    assert billing.books.findings()[0].details["lines"][0]["kind"] == kind


def test_a_line_at_another_unit_price_is_a_unit_price_mismatch(billing: Billing) -> None:
    item = billing.item()
    billing.tell(item)
    billing.invoice(billing.line(billing.item(unit_amount=2600)))
    after_the_graces(billing.books)
    assert billing.books.findings()[0].details["lines"][0]["kind"] == "unit_price"


def test_the_update_that_explains_a_late_invoice_clears_it_within_the_grace(billing: Billing) -> None:
    old, new = billing.item(), billing.item(3000)
    billing.tell(old)
    billing.invoice(billing.line(new))
    billing.books.pass_time(600)
    billing.tell(new, stage="updated", at=NOW)
    assert verdicts(billing.books) == {"ok": 1}
    assert after_the_graces(billing.books) == {"ok": 1}


@pytest.mark.parametrize(
    ("status", "counted"), [("open", 1), ("paid", 1), ("uncollectible", 1), ("draft", 0), ("void", 0)]
)
def test_an_invoice_is_judged_by_whatever_type_of_event_shows_it_final_first(
    billing: Billing, status: str, counted: int
) -> None:
    item = billing.item()
    billing.tell(item)
    invoice = billing.invoice(billing.line(item), kind="will_be_due", status=status)
    assert billing.books.value(CHECKS, verdict="ok") == counted
    assert billing.books.value("billing_events_total", type="other") == 1
    billing.books.send("invoice.finalized", {**invoice, "status": "open"})
    assert billing.books.value(CHECKS) == int(status != "void")


def test_an_upcoming_invoice_is_no_invoice_yet(billing: Billing) -> None:
    item = billing.item()
    billing.tell(item)
    billing.invoice(billing.line(item, amount=1), kind="upcoming", status="draft", id=None)
    assert after_the_graces(billing.books) == {}


def test_an_invoice_before_its_subscription_waits_for_it(billing: Billing) -> None:
    item = billing.item()
    billing.invoice(billing.line(item))
    billing.tell(item, at=NOW)
    assert verdicts(billing.books) == {"ok": 1}


def test_an_invoice_of_a_subscription_never_seen_is_abstained(billing: Billing) -> None:
    billing.invoice(billing.line(billing.item()))
    assert after_the_graces(billing.books) == {"abstained": 1}
    assert billing.books.value(ABSTENTIONS, reason="subscription_unknown") == 1


def test_the_price_before_the_first_known_version_may_have_been_right(billing: Billing) -> None:
    billing.tell(billing.item(3000), stage="updated", at=NOW - 60)
    billing.invoice(billing.line(billing.item(2000)))
    assert after_the_graces(billing.books) == {"abstained": 1}


def test_both_prices_are_right_around_a_change(billing: Billing) -> None:
    old, new = billing.item(2000), billing.item(3000)
    billing.tell(old)
    billing.tell(new, stage="updated", at=NOW - 100)
    billing.invoice(billing.line(old))
    billing.invoice(billing.line(new))
    assert verdicts(billing.books) == {"ok": 2}
    billing.invoice(billing.line(old), created_at=NOW + 4000, finalized_at=NOW + 4000)
    assert after_the_graces(billing.books) == {"ok": 2, "mismatch": 1}


def test_two_changes_of_one_second_are_both_right_whichever_is_delivered_first(billing: Billing) -> None:
    first, last, changed_at = billing.item(3000), billing.item(4000), NOW - 10 * 86400
    billing.tell(billing.item(2000))
    billing.tell(last, stage="updated", at=changed_at)
    billing.tell(first, stage="updated", at=changed_at)
    billing.invoice(billing.line(last))
    billing.invoice(billing.line(first))
    assert verdicts(billing.books) == {"ok": 2}
    billing.invoice(billing.line(billing.item(2000)))
    assert after_the_graces(billing.books) == {"ok": 2, "mismatch": 1}


def test_a_draft_is_never_judged_and_a_void_invoice_gets_no_verdict(billing: Billing) -> None:
    item = billing.item()
    billing.tell(item)
    billing.invoice(billing.line(item, amount=1), kind="created", status="draft")
    wrong = billing.invoice(billing.line(item, amount=2))
    billing.books.send("invoice.voided", {**wrong, "status": "void"})
    assert after_the_graces(billing.books) == {}


@pytest.mark.parametrize(
    "fields",
    [
        {"subscription": None, "billing_reason": "manual"},
        {"billing_reason": "subscription_threshold"},
        {"billing_reason": "automatic_pending_invoice_item_invoice"},
    ],
)
def test_invoices_that_no_plan_explains_are_not_applicable(billing: Billing, fields: dict[str, Any]) -> None:
    item = billing.item()
    billing.tell(item)
    billing.invoice(billing.line(item, amount=1), **fields)
    assert verdicts(billing.books) == {"not_applicable": 1}


@pytest.mark.parametrize(
    ("price", "quantity", "reason"),
    [
        ({"usage_type": "metered"}, None, "metered"),
        ({"billing_scheme": "tiered"}, 1, "tiered"),
        ({"currency": "eur"}, 1, "multi_currency"),
    ],
)
def test_prices_that_webhooks_do_not_tell_are_abstained(
    billing: Billing, price: dict[str, Any], quantity: int | None, reason: str
) -> None:
    item = billing.item(quantity=quantity, **price)
    billing.tell(item)
    billing.invoice(billing.line({**item, "quantity": 1}, amount=777, currency="usd"))
    assert after_the_graces(billing.books) == {"abstained": 1}
    assert billing.books.value(ABSTENTIONS, reason=reason) == 1


def test_prorations_and_one_off_items_are_not_judged(billing: Billing) -> None:
    item = billing.item()
    billing.tell(item)
    billing.invoice(billing.line(item, amount=-345, proration=True))
    assert billing.books.value(ABSTENTIONS, reason="only_prorations") == 1
    one_off = invoices.one_off_line(
        billing.books.ids, amount=9900, period_start_at=NOW, subscription="sub_1", shape=billing.shape
    )
    billing.invoice(billing.line(item), one_off)
    assert verdicts(billing.books) == {"abstained": 1, "ok": 1}


def test_packages_are_rounded_as_the_price_says(billing: Billing) -> None:
    for rounding, packages in (("up", 11), ("down", 10)):
        item = billing.item(500, 1001, transform_quantity={"divide_by": 100, "round": rounding})
        billing.tell(item, stage="updated", at=billing.born_at + 1)
        billing.invoice(billing.line(item, amount=packages * 500), created_at=NOW - 86400 * (packages - 9))
    assert billing.books.value(CHECKS, verdict="mismatch") == 0
    assert billing.books.value(CHECKS, verdict="ok") >= 1


def test_fractions_of_a_minor_unit_may_be_rounded_and_no_more(billing: Billing) -> None:
    item = billing.item(None, 3, unit_amount_decimal="33.35")
    billing.tell(item)
    for amount in (100, 101):
        billing.invoice(billing.line(item, amount=amount))
    assert verdicts(billing.books) == {"ok": 2}
    billing.invoice(billing.line(item, amount=102))
    assert after_the_graces(billing.books) == {"ok": 2, "mismatch": 1}


def test_a_trial_line_of_zero_is_right(billing: Billing) -> None:
    item = billing.item()
    billing.tell(item, status="trialing", trial_end_at=NOW + 86400)
    billing.invoice(billing.line(item, amount=0), billing_reason="subscription_create")
    assert verdicts(billing.books) == {"ok": 1}


def test_a_line_of_an_item_never_seen_is_abstained(billing: Billing) -> None:
    billing.tell(billing.item())
    billing.invoice(billing.line({**billing.item(), "id": "si_2"}, amount=5))
    assert after_the_graces(billing.books) == {"abstained": 1}
    assert billing.books.value(ABSTENTIONS, reason="item_unknown") == 1


def test_a_test_clock_is_never_called_a_mismatch(billing: Billing) -> None:
    item = billing.item()
    billing.tell(item, test_clock="clock_1")
    billing.invoice(billing.line(item, amount=5))
    assert after_the_graces(billing.books) == {"abstained": 1}
    assert billing.books.value(ABSTENTIONS, reason="test_clock") == 1


def test_versions_let_go_are_not_held_against_an_invoice(books: Books) -> None:
    billing = Billing(books)
    for version in range(24):
        billing.tell(billing.item(1000 + version), stage="updated", at=NOW - 24 + version)
    billing.invoice(billing.line(billing.item(1001)))
    assert after_the_graces(books) == {"abstained": 1}
    assert books.value(ABSTENTIONS, reason="state_evicted") == 1


def test_a_pending_update_may_be_billed_already(billing: Billing) -> None:
    billing.tell(billing.item(), pending_update={"subscription_items": [billing.item(3000)]})
    billing.invoice(billing.line(billing.item(3000)))
    assert verdicts(billing.books) == {"ok": 1}


def test_the_tolerance_is_the_tenants_own(store: Store) -> None:
    books = Books(
        store, tenant(detectors={"invoice_mismatch": InvoiceMismatchSettings(tolerance=5, grace="1s")})
    )
    billing = Billing(books)
    item = billing.item()
    billing.tell(item)
    for amount in (2005, 2006):
        billing.invoice(billing.line(item, amount=amount))
    assert after_the_graces(books) == {"ok": 1, "mismatch": 1}


def test_an_invoice_paid_is_counted_once_by_either_of_its_events(books: Books) -> None:
    paid = {"id": "in_1", "object": "invoice", "status": "paid", "amount_paid": 2000, "currency": "usd"}
    books.send("invoice.payment_succeeded", paid)
    books.send("invoice.paid", paid)
    assert books.value("billing_invoices_paid_total") == 1
    assert books.value("billing_invoices_paid_minor_units_total", currency="usd") == 2000


FAILURES = "billing_invoice_payment_failures_total"


def test_attempts_that_a_person_makes_count_each_though_attempt_count_stays(books: Books) -> None:
    for attempt in (1, 1, 2):
        books.send("invoice.payment_failed", {"id": "in_1", "status": "open", "attempt_count": attempt})
    assert books.value(FAILURES) == 3


@pytest.mark.parametrize(
    "attempt",
    [
        lambda charge: {"charge": charge},
        lambda charge: {"payment_intent": {"id": "pi_1", "latest_charge": charge}},
        lambda charge: {"payment_intent": {"id": "pi_1", "last_payment_error": {"charge": {"id": charge}}}},
        lambda charge: {"payments": {"data": [{"payment": {"type": "charge", "charge": charge}}]}},
    ],
)
def test_an_attempt_whose_charge_is_told_counts_once_however_many_events_tell_of_it(
    books: Books, attempt: Callable[[str], dict[str, Any]]
) -> None:
    for charge in ("ch_1", "ch_1", "ch_2"):
        failed = {"id": "in_1", "status": "open", "attempt_count": 1, **attempt(charge)}
        books.send("invoice.payment_failed", failed)
    assert books.value(FAILURES) == 2


def test_a_price_change_that_arrives_late_between_two_equal_versions_splits_them(books: Books) -> None:
    billing = Billing(books)
    old, new = billing.item(2000), billing.item(3000)
    billing.tell(old)
    billing.tell(old, stage="updated", at=NOW - 10 * 86400)
    billing.tell(new, stage="updated", at=NOW - 20 * 86400)
    billing.invoice(billing.line(old))
    billing.invoice(billing.line(new))
    assert after_the_graces(books) == {"ok": 1, "mismatch": 1}


@pytest.mark.parametrize("swapped", [False, True])
def test_a_line_that_cannot_be_judged_does_not_hurry_the_others(books: Books, swapped: bool) -> None:
    billing = Billing(books)
    metered, late = billing.item(usage_type="metered"), {**billing.item(), "id": "si_2"}
    billing.tell(metered)
    lines = [billing.line(metered, amount=9, quantity=1), billing.line(late)]
    billing.invoice(*(lines[::-1] if swapped else lines))
    billing.tell(metered, late, stage="updated", at=NOW)
    assert verdicts(books) == {"ok": 1}


def test_a_deferred_check_that_was_resolved_meanwhile_is_not_resolved_again(books: Books) -> None:
    billing = Billing(books)
    billing.tell(billing.item())
    billing.invoice(billing.line(billing.item(3000)))
    due = books.store.write(lambda tx: tx.due(NOW + 10**6, 10))
    billing.tell(billing.item(3000), stage="updated", at=NOW)
    assert verdicts(books) == {"ok": 1}
    assert books.store.write(lambda tx: [tx.drop(deferred) for deferred in due]) == [False]
    assert after_the_graces(books) == {"ok": 1}


def test_two_housekeepers_give_one_verdict(books: Books, tmp_path: Path) -> None:
    billing = Billing(books)
    billing.tell(billing.item())
    billing.invoice(billing.line(billing.item(), amount=1))
    other = open_store(f"sqlite:///{tmp_path}/books.db")
    books.now += 901
    with ThreadPoolExecutor() as pool:
        for store in (books.store, other) * 4:
            pool.submit(housekeeping.resolve_due, store, books.now)
    assert after_the_graces(books) == {"mismatch": 1}
    assert len(books.findings()) == 1
    other.close()


def test_an_abandoned_subscription_is_forgotten_though_no_event_deletes_it(books: Books) -> None:
    billing = Billing(books)
    billing.tell(billing.item(), status="incomplete")
    billing.tell(billing.item(), stage="updated", at=NOW, status="incomplete_expired")
    books.pass_time(61 * 86400)
    assert books.store.write(lambda tx: tx.load("prod", "plan", "sub_1")) is None


def test_a_price_left_as_its_id_does_not_cost_the_invoice(books: Books) -> None:
    billing = Billing(books, "old")
    billing.tell(billing.item())
    line = {**billing.line(billing.item()), "price": "price_1"}
    invoice = billing.invoice(line, kind="paid", status="paid", amount_paid=2000)
    assert invoice["status"] == "paid"
    assert books.value("billing_invoices_paid_total") == 1
    assert verdicts(books) == {"ok": 1}


def test_the_date_of_an_old_invoice_is_its_creation(books: Books) -> None:
    billing = Billing(books, "old")
    old, new = billing.item(2000), billing.item(3000)
    billing.tell(old)
    billing.tell(new, stage="updated", at=NOW - 1800)
    billing.invoice(billing.line(old), created=None, date=NOW - 3600)
    assert after_the_graces(books) == {"ok": 1}


def test_a_trial_does_not_make_a_metered_line_judgeable(books: Books) -> None:
    billing = Billing(books)
    item = billing.item(usage_type="metered", quantity=None)
    billing.tell(item, status="trialing", trial_end_at=NOW + 86400)
    billing.invoice(billing.line({**item, "quantity": 0}, amount=0))
    assert after_the_graces(books) == {"abstained": 1}


def at(year: int, month: int, day: int) -> int:
    return int(datetime(year, month, day, tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("start_at", "end_at", "amount"),
    [
        (NOW, NOW + 11 * 86400, 733),  # up to the billing cycle's anchor
        (at(2027, 3, 2), at(2027, 4, 1), 1935),  # 30 of the 31 days
        (at(2027, 1, 10), at(2027, 3, 1), 3419),  # one line from a date in the past
        (at(2027, 1, 10), at(2027, 3, 1), 3333),
    ],
)
def test_a_line_that_covers_another_time_than_an_interval_is_not_judged(
    billing: Billing, start_at: int, end_at: int, amount: int
) -> None:
    item = billing.item()
    billing.tell(item)
    billing.invoice(billing.line(item, period_start_at=start_at, period_end_at=end_at, amount=amount))
    assert after_the_graces(billing.books) == {"abstained": 1}
    assert billing.books.value(ABSTENTIONS, reason="partial_period") == 1


@pytest.mark.parametrize(
    ("start_at", "end_at", "amount"),
    [
        (at(2027, 1, 31), at(2027, 2, 28), 1999),  # a month that ends on its last day
        (at(2027, 3, 2), at(2027, 4, 1), 1900),  # not what 30 of 31 days cost
        (at(2027, 1, 10), at(2027, 3, 1), 1500),  # less than a month's price, for more than a month
        (NOW, NOW, 733),  # it does not say what it covers
    ],
)
def test_a_line_that_covers_an_interval_or_asks_for_no_part_of_it_is_judged(
    billing: Billing, start_at: int, end_at: int, amount: int
) -> None:
    item = billing.item()
    billing.tell(item)
    billing.invoice(billing.line(item, period_start_at=start_at, period_end_at=end_at, amount=amount))
    assert after_the_graces(billing.books) == {"mismatch": 1}


def test_a_right_line_is_ok_whatever_it_covers(billing: Billing) -> None:
    item = billing.item()
    billing.tell(item)
    billing.invoice(billing.line(item, period_end_at=NOW + 86400))
    assert verdicts(billing.books) == {"ok": 1}


def test_a_week_of_a_yearly_price_is_a_part_of_it(billing: Billing) -> None:
    item = billing.item(52000, interval="year")
    billing.tell(item)
    billing.invoice(billing.line(item, period_end_at=NOW + 7 * 86400, amount=997))
    assert after_the_graces(billing.books) == {"abstained": 1}


def test_a_first_invoice_of_zero_is_not_judged_and_a_later_one_is(billing: Billing) -> None:
    item = billing.item()
    billing.tell(item)
    billing.invoice(billing.line(item, amount=0), billing_reason="subscription_create")
    assert after_the_graces(billing.books) == {"abstained": 1}
    assert billing.books.value(ABSTENTIONS, reason="partial_period") == 1
    billing.invoice(billing.line(item, amount=0), billing_reason="subscription_cycle")
    assert after_the_graces(billing.books) == {"abstained": 1, "mismatch": 1}


def test_an_invoice_that_a_person_revised_is_not_applicable(billing: Billing) -> None:
    item = billing.item()
    billing.tell(item)
    revised = {"action": "revision", "invoice": "in_1"}
    billing.invoice(billing.line(item, amount=1500), from_invoice=revised)
    assert verdicts(billing.books) == {"not_applicable": 1}


def without(raw: bytes, *names: str) -> bytes:
    """A remembered state as a version wrote it that did not know these fields."""

    def older(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: older(each) for name, each in value.items() if name not in names}
        return [older(each) for each in value] if isinstance(value, list) else value

    return orjson.dumps(older(orjson.loads(raw)))


@pytest.mark.parametrize("newer", [False, True])
def test_what_another_version_remembered_and_deferred_is_judged_all_the_same(
    books: Books, newer: bool
) -> None:
    billing = Billing(books)
    item = billing.item()
    billing.tell(item)
    billing.invoice(billing.line(item, amount=2500))

    def rewrite(tx: Any) -> None:
        (deferred,) = tx.due(NOW + 10**6, 10)
        new = ("revision", "period_end_at", "interval", "interval_count")
        plan = orjson.loads(without(tx.load("prod", "plan", "sub_1"), *new))
        state = orjson.loads(without(deferred.state, *new))
        if newer:
            for known in (state, state["invoice"], state["invoice"]["lines"][0], plan, plan["versions"][0]):
                known["known_to_a_newer_version_alone"] = [1]
            plan["versions"][0]["items"]["si_1"]["known_to_a_newer_version_alone"] = 1
        tx.save("prod", "plan", "sub_1", orjson.dumps(plan), NOW + 10**6)
        assert tx.drop(deferred)
        tx.defer(replace(deferred, state=orjson.dumps(state)))

    books.store.write(rewrite)
    assert after_the_graces(books) == {"mismatch": 1}
