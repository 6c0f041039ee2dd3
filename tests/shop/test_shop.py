from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from bw_exporter.metrics.labels import HANDLED_EVENT_TYPES
from bw_simulator.shop import anomalies, events, objects
from bw_simulator.shop.ids import Ids
from bw_simulator.shop.traffic import Shop

START = 1_795_000_000
DAY = 86_400


def days_of_traffic(count: int, *, seed: int = 1, every: int = 20) -> list[dict[str, Any]]:
    shop = Shop("shop-a", seed=seed, started_at=START)
    return [event for n in range(count) for event in shop.next(START + n * every)]


def of_type(told: list[dict[str, Any]], *types: str) -> list[dict[str, Any]]:
    return [event["data"]["object"] for event in told if event["type"] in types]


def windowed(times: list[int], seconds: int) -> int:
    """The most that fall into any window of so many seconds."""
    return max((sum(t - seconds < other <= t for other in times) for t in times), default=0)


def test_the_same_seed_makes_the_same_bytes() -> None:
    first, second = (b"".join(map(events.body, days_of_traffic(300))) for _ in range(2))
    assert first == second
    assert first != b"".join(map(events.body, days_of_traffic(300, seed=2)))


def test_two_runs_with_one_seed_share_no_event_id() -> None:
    first, second = (
        {event["id"] for n in range(200) for event in Shop("a", seed=1, started_at=at).next(at + n)}
        for at in (START, START + 1)
    )
    assert not first & second


def test_event_ids_are_unique() -> None:
    ids = [event["id"] for event in days_of_traffic(1000)]
    assert len(set(ids)) == len(ids)


def test_the_exporter_handles_every_type_that_is_simulated() -> None:
    told = days_of_traffic(3000)
    for name in anomalies.names():
        told += anomalies.play(name, "shop-a", START)
    assert {event["type"] for event in told} <= set(HANDLED_EVENT_TYPES)


def test_both_api_shapes_are_simulated_in_one_account() -> None:
    told = days_of_traffic(300)
    invoices = of_type(told, "invoice.finalized")
    assert any("subscription" in invoice for invoice in invoices)
    assert any("parent" in invoice for invoice in invoices)
    assert len({event["api_version"] for event in told}) == 2


@pytest.fixture(scope="module")
def ordinary() -> list[dict[str, Any]]:
    """What a shop tells on an ordinary day and a bit: 10,000 steps of 9 seconds."""
    return days_of_traffic(10_000, every=9)


class TestOrdinaryTrafficTriggersNoDetector:
    def test_never_five_failures_in_an_hour(self, ordinary: list[dict[str, Any]]) -> None:
        failed = [charge["created"] for charge in of_type(ordinary, "charge.failed")]
        assert len(failed) > 20
        assert windowed(failed, 3600) < 5

    def test_never_three_disputes_in_a_day(self, ordinary: list[dict[str, Any]]) -> None:
        opened = [
            dispute["created"]
            for dispute in of_type(ordinary, "charge.dispute.created")
            if not dispute["status"].startswith("warning_")
        ]
        assert windowed(opened, DAY) < 3

    def test_nobody_pays_the_same_twice_within_an_hour(self, ordinary: list[dict[str, Any]]) -> None:
        seen: dict[tuple[Any, ...], int] = {}
        for charge in of_type(ordinary, "charge.succeeded"):
            card = charge["payment_method_details"]["card"]["fingerprint"]
            key = (charge["currency"], charge["amount_captured"], card)
            assert charge["created"] - seen.get(key, 0) > 3600
            seen[key] = charge["created"]

    def test_every_subscription_line_bills_what_the_subscription_says(
        self, ordinary: list[dict[str, Any]]
    ) -> None:
        prices: dict[str, tuple[int, int]] = {}
        for event in ordinary:
            about = event["data"]["object"]
            if about["object"] == "subscription":
                for item in about["items"]["data"]:
                    prices[item["id"]] = (item["price"]["unit_amount"], item["quantity"])
            if event["type"] == "invoice.finalized":
                for line in about["lines"]["data"]:
                    details = line.get("parent", {}).get("subscription_item_details", line)
                    unit, quantity = prices[details["subscription_item"]]
                    assert line["amount"] == unit * quantity

    def test_no_event_is_older_than_its_delivery(self) -> None:
        shop = Shop("shop-a", seed=3, started_at=START)
        assert all(event["created"] == START + n for n in range(500) for event in shop.next(START + n))


def test_a_shop_without_sales_tells_of_everything_but_money() -> None:
    shop = Shop("shop-a", seed=1, started_at=START)
    for n in range(200):
        shop.next(START + n)
    shop.mood = "no sales"
    told = Counter(event["type"] for n in range(200, 400) for event in shop.next(START + n))
    assert told["charge.succeeded"] == told["invoice.paid"] == 0
    assert told.total() > 100


def test_a_silent_shop_tells_nothing() -> None:
    shop = Shop("shop-a", seed=1, started_at=START)
    shop.mood = "silent"
    assert shop.next(START) == []


def test_there_is_an_anomaly_for_each_detector_that_is_shown() -> None:
    assert set(anomalies.names()) == {
        "charge_failure_spike",
        "duplicate_charge",
        "fraud_spike",
        "invoice_mismatch",
        "mrr_drop",
        "revenue_drop",
        "silent_lapse",
        "webhook_lag",
    }


def test_an_anomaly_struck_twice_is_two_stories() -> None:
    first, again, later = (
        anomalies.play("duplicate_charge", "shop-a", now) for now in (START, START, START + 1)
    )
    assert first == again
    assert not {event["id"] for event in first} & {event["id"] for event in later}


@pytest.mark.parametrize(
    "name", ["charge_failure_spike", "duplicate_charge", "fraud_spike", "invoice_mismatch"]
)
def test_an_anomaly_is_not_taken_for_a_lag(name: str) -> None:
    assert all(event["created"] >= START - 10 for event in anomalies.play(name, "shop-a", START))


def test_a_builder_takes_any_field_by_stripes_own_name() -> None:
    charge = objects.charge(Ids(), created_at=START, id="ch_1", payment_method_details=None, disputed=True)
    assert (charge["id"], charge["payment_method_details"], charge["disputed"]) == ("ch_1", None, True)


def test_two_charges_built_without_a_payer_are_two_guests() -> None:
    ids = Ids()
    first, second = (objects.charge(ids, created_at=START) for _ in range(2))
    assert first["customer"] is second["customer"] is None
    assert first["payment_method_details"] != second["payment_method_details"]


def test_an_update_says_what_was_before() -> None:
    charge = objects.charge(Ids(), created_at=START, amount=2000)
    assert events.changed(charge, objects.refunded(charge, 500)) == {"amount_refunded": 0}
    assert events.changed(charge, objects.refunded(charge)) == {"amount_refunded": 0, "refunded": False}
