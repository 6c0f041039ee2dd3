from __future__ import annotations

from bw_exporter.metrics import catalog
from bw_exporter.metrics.series import Add, series
from bw_exporter.store import Store


def test_what_counts_above_zero_is_read_by_family_for_all_tenants_or_for_some(store: Store):
    store.register(["a", "b", "c"], 1)
    store.write(lambda tx: tx.change("a", (Add(catalog.REFUNDS), Add(catalog.INQUIRIES, amount=2))))
    store.write(lambda tx: tx.change("b", (Add(catalog.REFUNDS, amount=3),)))
    families = [catalog.REFUNDS.number]
    a, b = (series(catalog.REFUNDS, tenant).line for tenant in "ab")
    assert sorted(store.above_zero(families)) == [("a", a, 1), ("b", b, 3)]
    assert store.above_zero(families, ["b", "c", "unheard of"]) == [("b", b, 3)]
    assert store.above_zero(families, []) == []
    assert store.above_zero([], ["a"]) == []
    both = store.above_zero([catalog.REFUNDS.number, catalog.INQUIRIES.number], ["a"])
    assert sorted(value for _, _, value in both) == [1, 2]
