"""What a store remembers, for how long, and what it never keeps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bw_exporter import housekeeping
from bw_exporter.effects import forgotten
from bw_exporter.metrics import catalog
from bw_exporter.metrics.series import Add, Change, initial
from bw_exporter.store import Finding, Store, marks, open_store, retention
from bw_simulator.shop import events, objects
from bw_simulator.shop.ids import Ids

from .counts import DAY, NOW, add, deliver, shown, value

if TYPE_CHECKING:
    from bw_exporter.store import Transaction

STORED = [family for family in catalog.FAMILIES if family.stored and family.per_tenant]


def test_a_new_tenant_has_every_family_at_0_and_the_time_it_was_first_known(store: Store) -> None:
    store.register(["shop"], NOW)
    samples = store.samples("shop")
    assert value(store, "shop", catalog.TENANT_CREATED) == NOW
    for family in STORED:
        lines = [series.line for series in initial(family, "shop")]
        assert bool(lines) == family.from_start, family.name
        assert all(samples[line] == 0 for line in lines if family is not catalog.TENANT_CREATED), family.name


def test_registering_again_keeps_counts_and_the_first_time(store: Store) -> None:
    store.register(["shop"], NOW)
    store.write(add("shop"))
    store.register(["another", "shop"], NOW + DAY)
    assert value(store, "shop") == 1
    assert value(store, "shop", catalog.TENANT_CREATED) == NOW
    assert value(store, "another", catalog.TENANT_CREATED) == NOW + DAY


def test_counts_from_before_a_tenant_was_registered_are_kept(store: Store) -> None:
    store.write(add("shop"))
    store.register(["shop"], NOW)
    assert value(store, "shop") == 1


def test_many_tenants_are_registered_at_once(store: Store) -> None:
    names = [f"shop-{number:04}" for number in range(450)]
    store.register(names, NOW)
    text = shown(store, names)
    assert all(f'billing_refunds_total{{tenant="{name}"}} 0' in text for name in names)


def test_a_removed_tenant_disappears_and_one_added_again_continues(store: Store) -> None:
    store.register(["one", "two"], NOW)
    store.write(add("one"))
    assert 'tenant="one"' in shown(store, ["one", "two"])
    text = shown(store, ["two"])
    assert 'tenant="one"' not in text
    assert 'tenant="two"' in text
    store.register(["one", "two"], NOW + DAY)
    assert value(store, "one") == 1
    assert 'billing_charge_attempts_total{tenant="one"} 1' in shown(store, ["one", "two"])


def test_requests_for_no_tenant_of_ours_are_shown_whoever_is_configured(store: Store) -> None:
    store.register(["one"], NOW)
    store.write(add("", catalog.WEBHOOK_REQUESTS, catalog.UNKNOWN_TENANT))
    line = 'billingwatch_webhook_requests_total{tenant="",result="unknown_tenant"} 1'
    assert line in shown(store, ["one"])
    assert line in shown(store, [])


def test_a_name_that_begins_another_is_another_tenant(store: Store) -> None:
    store.register(["shop", "shop-2", "sho"], NOW)
    store.write(add("shop"))
    assert [value(store, name) for name in ("sho", "shop", "shop-2")] == [0, 1, 0]


def pruned(store: Store, now: int) -> int:
    return store.prune(now, 100, forgotten)


def evicted(charges: int) -> tuple[Change, ...]:
    return (Add(catalog.DUPLICATE_SKIPPED, ("evicted",), charges),)


def test_old_marks_are_found_by_walking_on_from_where_the_last_walk_ended(store: Store) -> None:
    def mark(tx: Transaction) -> None:
        for number in range(100):
            tx.mark("shop", number, (number, "ch"), NOW - number % 2)

    store.write(mark)
    assert [store.prune_marks(NOW, 30) for _ in range(4)] == [15, 15, 15, 5]
    assert [store.prune_marks(NOW, 30) for _ in range(2)] == [0, 0]


def test_event_ids_are_forgotten_after_their_time_and_not_before(store: Store) -> None:
    kept, old = NOW - retention.EVENT_IDS_SECONDS, NOW - retention.EVENT_IDS_SECONDS - 1
    store.write(lambda tx: (tx.remember_event(kept, "shop", "kept"), tx.remember_event(old, "shop", "old")))
    assert pruned(store, NOW) == 1
    assert store.write(
        lambda tx: (tx.knows_event(kept, "shop", "kept"), tx.knows_event(old, "shop", "old"))
    ) == (True, False)


def test_findings_are_kept_for_90_days(store: Store) -> None:
    for day in (91, 89):
        found = Finding(NOW - day * DAY, "shop", "duplicate_charge", {"days": day})
        store.write(lambda tx, found=found: tx.report(found))  # type: ignore[misc]
    assert pruned(store, NOW) == 1
    assert [found.details for found in store.findings(tenant=None, since_at=0, limit=9)] == [{"days": 89}]


def test_objects_and_marks_are_forgotten_after_their_own_time(store: Store) -> None:
    def work(tx: Transaction) -> None:
        for name, keep_until in (("kept", NOW), ("old", NOW - 3600)):
            tx.save("shop", "charge", name, b"{}", keep_until)
            tx.mark("shop", 1, (NOW, name), keep_until)

    store.write(work)
    assert pruned(store, NOW) == 1
    assert store.prune_marks(NOW, 100) == 1
    assert store.write(lambda tx: tx.marks_around("shop", 1, (NOW, "z"), 0, 9)) == ([(NOW, "kept")], [])
    assert store.write(lambda tx: tx.load("shop", "charge", "old")) is None
    assert store.write(lambda tx: tx.load("shop", "charge", "kept")) is not None


def test_an_object_that_changes_is_kept_for_longer(store: Store) -> None:
    store.write(lambda tx: tx.save("shop", "charge", "ch_1", b"1", NOW - 3600))
    store.write(lambda tx: tx.save("shop", "charge", "ch_1", b"2", NOW + 1))
    pruned(store, NOW)
    assert store.write(lambda tx: tx.load("shop", "charge", "ch_1")) == b"2"


def test_pruning_goes_in_short_steps_until_all_is_gone(store: Store) -> None:
    def work(tx: Transaction) -> None:
        for number in range(1200):
            tx.remember_event(number, "shop", f"evt_{number}")
            tx.save("shop", "charge", f"ch_{number}", b"{}", number)

    store.write(work)
    assert store.prune(NOW, 10, forgotten) == 20
    housekeeping.prune(store, NOW)
    assert store.prune(NOW, 10, forgotten) == 0


def test_an_ended_subscription_leaves_the_gauge_after_60_days(store: Store) -> None:
    ids = Ids("subscriptions")
    item = objects.subscription_item(ids, price=objects.price(ids), created_at=NOW)
    active = objects.subscription(ids, created_at=NOW, items=[item])
    ended = {**active, "id": "sub_ended", "status": "canceled"}
    for about, kind in ((active, "created"), (ended, "deleted")):
        deliver(store, events.event(ids, f"customer.subscription.{kind}", about, created_at=NOW))

    def gauge() -> tuple[int, int]:
        return (
            value(store, "shop", catalog.SUBSCRIPTIONS, "active"),
            value(store, "shop", catalog.SUBSCRIPTIONS, "canceled"),
        )

    pruned(store, NOW + 60 * DAY)
    assert gauge() == (1, 1)
    pruned(store, NOW + 60 * DAY + 3600)
    assert gauge() == (1, 0)
    pruned(store, NOW + 6000 * DAY)
    assert gauge() == (1, 0), "a subscription that goes on is never forgotten"


@pytest.mark.parametrize("read_at_once", [31, 20_000])
def test_the_oldest_payers_beyond_the_most_are_evicted_and_each_charge_is_counted_once(
    store: Store, monkeypatch: pytest.MonkeyPatch, read_at_once: int
) -> None:
    monkeypatch.setattr(marks, "_READ_AT_ONCE", read_at_once)

    def work(tx: Transaction) -> None:
        for number in range(700):
            tx.mark("crowded", number, (number, f"ch_{number}"), NOW)
            tx.mark("crowded", -1 - number, (number, f"ch_{number}"), NOW)
        for number in range(10):
            tx.mark("quiet", number, (number, f"ch_{number}"), NOW)

    store.write(work)
    assert store.evict(100, evicted) == 1300
    assert value(store, "crowded", catalog.DUPLICATE_SKIPPED, "evicted") == 650
    assert value(store, "quiet", catalog.DUPLICATE_SKIPPED, "evicted") == 0

    def left(tx: Transaction) -> list[int]:
        return [n for n in range(700) if tx.marks_around("crowded", -1 - n, (0, ""), NOW, 9)[1]]

    assert store.write(left) == list(range(650, 700))
    assert store.evict(100, evicted) == 0


@pytest.mark.parametrize("kind", ["charge.succeeded", "charge.failed", "charge.refunded"])
def test_no_payer_can_be_read_from_the_file(path: Path, kind: str) -> None:
    store = open_store(f"sqlite:///{path}")
    ids = Ids("payers")
    for number in range(20):
        charge = objects.charge(
            ids,
            created_at=NOW,
            customer=f"cus_Personal{number}",
            payment_method_details=objects.card(f"Fingerprint{number}", last4="LastFour"),
            billing_details={"email": f"jane{number}@example.com", "name": f"Jane Doe {number}"},
            receipt_email=f"jane{number}@example.com",
            description=f"For Jane Doe {number}",
        )
        deliver(store, events.event(ids, kind, charge, created_at=NOW))
    housekeeping.resolve_due(store, NOW + DAY)
    kept = b"".join(file.read_bytes() for file in path.parent.iterdir())
    store.close()
    kept += b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert b"ch_" in kept
    for personal in (b"cus_Personal", b"Fingerprint", b"jane", b"Jane", b"LastFour"):
        assert personal not in kept


def test_what_is_remembered_can_be_read_without_a_transaction(store: Store) -> None:
    store.write(lambda tx: tx.save("shop", "kind", "key", b"{}", NOW + DAY))
    assert store.remembered("shop", "kind", "key") == b"{}"
    assert [
        store.remembered(*other)
        for other in (("a", "kind", "key"), ("shop", "a", "key"), ("shop", "kind", "a"))
    ] == [None] * 3


def test_an_event_is_remembered_by_its_tenant_whatever_its_id_begins_with(store: Store) -> None:
    assert not store.remembers_event("shop")
    store.write(lambda tx: tx.remember_event(NOW, "shop", "evt_sim1"))
    assert store.remembers_event("shop")
    assert not store.remembers_event("shop", besides="evt_sim")
    assert not store.remembers_event("other")
    store.write(lambda tx: tx.remember_event(NOW - DAY, "shop", "evt_1%_"))
    assert store.remembers_event("shop", besides="evt_sim")
    assert not store.remembers_event("other", besides="evt_sim")
