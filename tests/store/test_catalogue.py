"""What a newer version counts, old stores and old tenants get: at 0, from when they got it, lines rewritten."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from bw_exporter.metrics import catalog, series
from bw_exporter.metrics.family import Family, Label
from bw_exporter.store import Store, catalogue, open_store
from bw_exporter.store.migration import add_label
from bw_exporter.store.postgres import upkeep as postgres_upkeep
from bw_exporter.store.sqlite import upkeep as sqlite_upkeep

from .counts import DAY, NOW, add, shown, value

if TYPE_CHECKING:
    from support.postgres import PostgresServer

UNUSED = 1 + max(family.number for family in catalog.FAMILIES)
NEW = Family(UNUSED, "billing_new_total", "counter", "New.", (Label("kind", ("a", "b"), ("a", "b")),))
MORE = Label("reason", ("redelivered", "wrong_mode", "late"), ("redelivered", "wrong_mode", "late"))


@pytest.fixture
def next_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """This version with one family more, and with one label value more of another."""
    ignored = replace(catalog.EVENTS_IGNORED, labels=(MORE,))
    families = [ignored if family is catalog.EVENTS_IGNORED else family for family in catalog.FAMILIES]
    monkeypatch.setattr(series, "FAMILIES", (*families, NEW))
    for module in (catalogue, sqlite_upkeep, postgres_upkeep):
        monkeypatch.setattr(module, "COUNTED", (*catalogue.COUNTED, NEW))
    catalogue.fingerprint.cache_clear()


@pytest.fixture(autouse=True)
def this_version_again() -> None:
    catalogue.fingerprint.cache_clear()


def began(store: Store, family: Family) -> int:
    line = f'{catalog.FAMILY_BEGAN.name}{{family="{family.name}"}} '
    (found,) = [text for text in shown(store, ["old"]).splitlines() if text.startswith(line)]
    return int(found.removeprefix(line))


def test_an_old_tenant_gets_what_a_newer_version_adds_at_0_and_keeps_its_counts(
    url: str, request: pytest.FixtureRequest
) -> None:
    with closing(open_store(url)) as store:
        store.register(["old", *(f"t{number}" for number in range(450))], NOW)
        store.write(add("old"))
    request.getfixturevalue("next_version")
    with closing(open_store(url)) as store:
        store.register(["old"], NOW + DAY)
        for tenant in ("old", "t449"):
            text = shown(store, [tenant])
            assert f'billing_new_total{{tenant="{tenant}",kind="b"}} 0' in text
            assert f'billing_events_ignored_total{{tenant="{tenant}",reason="late"}} 0' in text
        assert value(store, "old") == 1
        assert began(store, NEW) == NOW + DAY, "and not since the tenant was created"
        assert began(store, catalog.CHARGE_ATTEMPTS) == NOW
        store.register(["old", "young"], NOW + 2 * DAY)
        assert began(store, NEW) == NOW + DAY
        before = shown(store, ["old"])
        store.register(["old"], NOW + 3 * DAY)
        assert shown(store, ["old"]) == before


def test_a_store_that_noted_nothing_yet_has_its_families_since_its_first_tenant(url: str) -> None:
    with closing(open_store(url)) as store:
        store.register(["old"], NOW)
    with closing(open_store(url)) as store:
        store.register(["old"], NOW + DAY)
        assert {began(store, family) for family in catalogue.COUNTED} == {NOW}


@pytest.mark.parametrize(
    "family", [catalog.CHARGE_ATTEMPTS, catalog.CHARGE_FAILURES, catalog.WEBHOOK_LAG, catalog.STORE_COMMITS]
)
def test_a_label_that_is_added_to_an_old_family_takes_its_lines_along(
    url: str, family: Family, request: pytest.FixtureRequest
) -> None:
    later = replace(family, labels=(*family.labels, Label("channel", ("web",), ("web",))))
    values = ("card_declined",) if family.labels else ()
    tenant = "shop" if family.per_tenant else ""
    with closing(open_store(url)) as store:
        store.register(["shop"], NOW)
        store.write(add("shop"))
        if family.type == "histogram":
            store.write(lambda tx: tx.change("shop", (series.Observe(family, 7),)))
        elif family.per_tenant:
            store.write(add(tenant, family, *values))
        before = stored(store, family)
    migrated(url, family, request)
    with closing(open_store(url)) as store:
        after = stored(store, family)
    assert [count for _, count in after] == [count for _, count in before]
    assert sum(count for _, count in after) > 0
    lines = {line for line, _ in after}
    if family.type == "histogram":
        assert 'billing_webhook_lag_seconds_bucket{tenant="shop",channel="web",le="5.0"} ' in lines
        assert 'billing_webhook_lag_seconds_count{tenant="shop",channel="web"} ' in lines
    else:
        assert series.series(later, tenant, (*values, "web")).line in lines
    assert all('channel="web"' in line for line in lines)


def stored(store: Store, family: Family) -> list[tuple[str, int]]:
    ((_, lines),) = [found for found in store.families(["shop"]) if found[0] == family.number]
    pairs = [line.rpartition(" ") for line in lines.decode().splitlines()]
    return [(f"{text} ", int(count)) for text, _, count in pairs]


def migrated(url: str, family: Family, request: pytest.FixtureRequest) -> None:
    """Run the statement as a migration would."""
    if url.startswith("postgresql"):
        server: PostgresServer = request.getfixturevalue("postgres")
        server.sql(add_label(family, "channel", "web", "bw_series"), url)
        return
    import sqlite3  # noqa: PLC0415

    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as database, database:
        database.execute(add_label(family, "channel", "web"))
