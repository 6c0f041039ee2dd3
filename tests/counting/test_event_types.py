"""One source for each type of event: its reader. The lists that follow from the readers stay complete."""

from __future__ import annotations

import pytest

from bw_exporter.facts import AMOUNTS, READERS
from bw_exporter.metrics.labels import HANDLED_EVENT_TYPES
from support.books import Books


@pytest.mark.parametrize("name", READERS)
def test_a_type_of_event_that_is_read_is_a_label_value_and_its_object_has_its_amounts(name: str) -> None:
    assert name in HANDLED_EVENT_TYPES
    assert name.rpartition(".")[0] in AMOUNTS or name.startswith("radar.")


@pytest.mark.parametrize("kind", AMOUNTS)
def test_an_amount_that_is_none_makes_any_event_of_its_object_malformed(books: Books, kind: str) -> None:
    fields = (*AMOUNTS[kind].natural, *AMOUNTS[kind].signed)
    for field in fields:
        books.send(f"{kind}.any_type", {"id": "x_1", field: "12"})
    assert books.value("billing_events_ignored_total", reason="malformed") == len(fields)
