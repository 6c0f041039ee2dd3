"""From facts to changes of series: pure functions of a fact and what is remembered of its object."""

from __future__ import annotations

from bw_exporter.effects import charges, disputes, invoices, mrr, once, refunds, subscriptions
from bw_exporter.effects.effect import Effect
from bw_exporter.metrics.series import Change
from bw_exporter.store.state_json import decoded

_ROOMS = (charges, disputes, invoices, mrr, once, refunds, subscriptions)

EFFECTS: dict[type, tuple[Effect, ...]] = {
    fact: tuple(effect for room in _ROOMS for effect in room.EFFECTS.get(fact, ()))
    for fact in (fact for room in _ROOMS for fact in room.EFFECTS)
}


def forgotten(kind: str, raw: bytes) -> list[Change]:
    """Return what forgetting a remembered state takes back: an object that is forgotten leaves its gauge."""
    if kind == subscriptions.KIND:
        return subscriptions.forgotten(decoded(subscriptions.Subscription, raw))
    if kind == disputes.KIND:
        return disputes.forgotten(decoded(disputes.Dispute, raw))
    return []
