from __future__ import annotations

from typing import TYPE_CHECKING

from bw_exporter import housekeeping
from bw_exporter.store import DeferredCheck
from bw_simulator.shop.objects import payments
from support.books import NOW

if TYPE_CHECKING:
    import pytest

    from support.books import Books


def test_a_deferred_check_that_raises_an_error_holds_up_no_other(
    books: Books, caplog: pytest.LogCaptureFixture
) -> None:
    broken = DeferredCheck("prod", "invoice_mismatch", "in_broken", "sub_1", NOW, b"no json")
    books.store.write(lambda tx: tx.defer(broken))
    for _ in range(2):
        books.send("charge.succeeded", payments.charge(books.ids, created_at=NOW, customer="cus_1"))
    books.pass_time(121)
    assert books.value("billing_duplicate_charges_total") == 1
    assert "in_broken" in {getattr(record, "key", "") for record in caplog.records}
    caplog.clear()
    books.pass_time(1)
    assert not caplog.records
    books.pass_time(housekeeping.PUT_OFF_SECONDS)
    assert caplog.records


def test_more_deferred_checks_than_fit_one_commit_are_all_resolved_in_one_turn(books: Books) -> None:
    for number in range(100):
        for after in (0, 1):
            sold = payments.charge(books.ids, created_at=NOW + after, customer=f"cus_{number}")
            books.send("charge.succeeded", sold)
    books.pass_time(121)
    assert books.value("billing_duplicate_charges_total") == 100


def test_a_deferred_check_whose_check_is_gone_is_dropped(books: Books) -> None:
    books.store.write(lambda tx: tx.defer(DeferredCheck("prod", "removed_check", "x", "x", NOW, b"{}")))
    books.pass_time(1)
    assert books.store.write(lambda tx: tx.due(NOW + 10**6, 10)) == []


def test_a_finding_is_told_in_the_log_with_its_ids_and_its_link(
    books: Books, caplog: pytest.LogCaptureFixture
) -> None:
    sold = [payments.charge(books.ids, created_at=NOW + n, customer="cus_secret") for n in (0, 1)]
    for each in sold:
        books.send("charge.succeeded", each)
    books.pass_time(121)
    (record,) = caplog.records
    assert vars(record)["charge"] == sold[1]["id"]
    assert vars(record)["link"].startswith("https://dashboard.stripe.com/")
    assert "cus_secret" not in str(vars(record))
