"""What the pages read from the store's lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from bw_exporter.metrics import catalog
from bw_exporter.metrics.catalog import FAMILIES
from bw_exporter.metrics.series import Add, Observe, RaiseTo
from bw_exporter.monitoring.landing import counts
from bw_exporter.store import open_store

NOW = 1_790_000_000


class Lines:
    """A store of given lines."""

    def __init__(self, *lines: tuple[str, str, int]) -> None:
        self._lines = list(lines)

    def above_zero(self, _families: object, _tenants: object = None) -> list[tuple[str, str, int]]:
        return self._lines


def test_no_label_of_a_family_is_dropped(tmp_path: Path):
    store = open_store(f"sqlite:///{tmp_path}/store.db")
    store.register(["shop"], NOW)
    several = [family for family in FAMILIES if len(family.labels) > 1 and family.stored]
    assert several
    for family in several:
        values = tuple(label.values[0] for label in family.labels)
        store.write(lambda tx, family=family, values=values: tx.change("shop", (Add(family, values, 5),)))
    found = counts.read(store, several)["shop"]
    for family in several:
        values = tuple(label.values[0] for label in family.labels)
        assert counts.of(found, family, *values) == 5, family.name
        for place, label in enumerate(family.labels):
            assert counts.by_value(found, family, label.name) == {values[place]: 5}
    store.close()


def test_every_line_above_zero_of_every_family_is_read(tmp_path: Path):
    store = open_store(f"sqlite:///{tmp_path}/store.db")
    store.register(["shop"], NOW)
    for family in FAMILIES:
        if not family.stored or not family.per_tenant or family is catalog.TENANT_CREATED:
            continue
        values = tuple(label.values[0] for label in family.labels)
        change: Add | Observe | RaiseTo = Add(family, values, 7)
        if family.type == "histogram":
            change = Observe(family, 7)
        elif not values and family.type == "gauge":
            change = RaiseTo(family, 7)
        store.write(lambda tx, change=change: tx.change("shop", (change,)))
    numbers = [family.number for family in FAMILIES]
    lines = [line for line in store.above_zero(numbers) if line[0] == "shop"]
    assert len(counts.read(store, FAMILIES)["shop"]) == len(lines) > 20
    store.close()


def test_values_are_added_over_the_labels_that_were_not_asked_for():
    name = catalog.DISPUTE_FUNDS.name
    read = counts.read(
        Lines(  # type: ignore[arg-type]
            ("a", f'{name}{{tenant="a",direction="withdrawn",currency="usd"}} ', 5),
            ("a", f'{name}{{tenant="a",direction="withdrawn",currency="eur"}} ', 7),
            ("a", f'{name}{{tenant="a",direction="reinstated",currency="usd"}} ', 20),
        ),
        (catalog.DISPUTE_FUNDS,),
    )["a"]
    assert counts.by_value(read, catalog.DISPUTE_FUNDS, "direction") == {"reinstated": 20, "withdrawn": 12}
    assert counts.by_value(read, catalog.DISPUTE_FUNDS, "currency") == {"usd": 25, "eur": 7}


def test_an_escaped_value_is_read_as_it_was_written():
    (read,) = counts.read(
        Lines(("a", 'billing_x_total{tenant="a",reason="say \\"no\\", \\\\ and\\nleave"} ', 1)),  # type: ignore[arg-type]
        (),
    ).values()
    assert read == {("billing_x_total", ('say "no", \\ and\nleave',)): 1}


@pytest.mark.parametrize(
    "line",
    ['billing_x_total{tenant="a"', 'billing_x_total{tenant="a",reason=x} ', 'billing_x_total{tenant="a"}1'],
)
def test_a_line_that_cannot_be_read_is_an_error_and_not_left_out(line: str):
    with pytest.raises(ValueError, match="no labels of a sample"):
        counts.read(Lines(("a", line, 1)), ())  # type: ignore[arg-type]
