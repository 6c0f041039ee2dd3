from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bw_exporter.checks import card_testing
from bw_exporter.store import open_store
from bw_simulator.shop import objects
from support.books import NOW, Books, tenant

CARDS = "billing_failed_cards"


def failed(books: Books, card: str, *, ago: int = 0, **fields: Any) -> dict[str, Any]:
    made_at = books.now - ago
    charge = objects.failed_charge(books.ids, created_at=made_at, fingerprint=card, **fields)
    return books.event("charge.failed", charge, created_at=made_at)


def setup_failed(books: Books, method: object) -> dict[str, Any]:
    about = {
        "id": books.ids.new("seti"),
        "last_setup_error": {"code": "card_declined", "payment_method": method},
    }
    return books.event("setup_intent.setup_failed", about)


def test_different_cards_count_and_one_card_retried_is_one(books: Books):
    books.deliver(*[failed(books, card) for card in ("a", "b", "c", "a", "a")])
    assert books.value(CARDS) == 3


def test_the_charge_and_its_intent_are_one_card_and_setups_count(books: Books):
    card = objects.card("a")
    intent = objects.failed_payment_intent(books.ids, created_at=NOW, charge="ch_1")
    intent["last_payment_error"]["payment_method"] = {"id": "pm_1", **card}
    books.deliver(failed(books, "a"), books.event("payment_intent.payment_failed", intent))
    assert books.value(CARDS) == 1
    books.deliver(
        setup_failed(books, {"id": "pm_2", **card}), setup_failed(books, {"id": "pm_3", **objects.card("b")})
    )
    assert books.value(CARDS) == 2


def test_what_is_no_card_or_has_no_fingerprint_does_not_count(books: Books):
    terminal = {"type": "card_present", "card_present": {"fingerprint": "t"}}
    debit = {"type": "sepa_debit", "sepa_debit": {"fingerprint": "d"}}
    unknown = {"type": "card", "card": {"brand": "visa"}}
    books.deliver(
        *[failed(books, "x", payment_method_details=each) for each in (terminal, debit, unknown, {})]
    )
    books.deliver(setup_failed(books, "pm_as_an_id"), setup_failed(books, None))
    assert books.value(CARDS) == 0
    assert books.value("billing_events_total", type="setup_intent.setup_failed") == 2


def test_a_card_counts_for_ten_minutes_from_its_last_failure(books: Books):
    books.deliver(failed(books, "a"), failed(books, "b"))
    books.pass_time(300)
    books.deliver(failed(books, "a"))
    books.pass_time(299)
    assert books.value(CARDS) == 2
    books.pass_time(1)
    assert books.value(CARDS) == 1
    books.pass_time(299)
    assert books.value(CARDS) == 1
    books.pass_time(1)
    assert books.value(CARDS) == 0
    books.deliver(failed(books, "a"))
    assert books.value(CARDS) == 1


def test_a_failure_counts_by_when_it_was_made_and_an_old_one_not_at_all(books: Books):
    books.deliver(
        failed(books, "late", ago=599), failed(books, "old", ago=600), failed(books, "ahead", ago=-3600)
    )
    assert books.value(CARDS) == 2
    books.pass_time(1)
    assert books.value(CARDS) == 1
    books.pass_time(599)
    assert books.value(CARDS) == 0


def test_an_attack_with_more_cards_than_are_counted_is_counted_up_to_there(
    books: Books, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(card_testing, "MOST_CARDS", 3)
    books.deliver(*[failed(books, card) for card in "abcdea"])
    assert books.value(CARDS) == 3
    books.pass_time(600)
    assert books.value(CARDS) == 0
    books.deliver(failed(books, "d"))
    assert books.value(CARDS) == 1


def test_neither_the_card_nor_its_fingerprint_is_kept(books: Books, tmp_path: Path):
    books.deliver(failed(books, "FingerPrint16abc"))
    kept = b"".join(file.read_bytes() for file in tmp_path.iterdir() if file.is_file())
    assert b"FingerPrint16abc" not in kept


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 1500), st.integers(0, 900)), max_size=14))
def test_the_gauge_is_right_at_every_moment_whatever_the_order(
    tmp_path_factory: pytest.TempPathFactory, failures: list[tuple[str, int, int]]
):
    """Each failure: its card, when it arrives, and how long before that it was made."""
    folder = tmp_path_factory.mktemp("cards")
    with closing(open_store(f"sqlite:///{folder}/books.db")) as store:
        books = Books(store, tenant())
        arrived: list[tuple[str, int]] = []
        for card, at, ago in [*sorted(failures, key=lambda each: each[1]), ("", 3000, 0)]:
            books.pass_time(NOW + at - books.now)
            if card:
                books.deliver(failed(books, card, ago=ago))
                arrived.append((card, books.now - ago))
            counting = {
                name for name, made_at in arrived if made_at > books.now - card_testing.WINDOW_SECONDS
            }
            assert books.value(CARDS) == len(counting)
