"""`/tenants/<id>.json`: whether a tenant has events of Stripe, so that no made-up money is mixed with the real."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, Response, jsonify

from bw_exporter.metrics import catalog

if TYPE_CHECKING:
    from bw_exporter.config.current import CurrentConfig
    from bw_exporter.store import Store

MADE_UP = "evt_sim"
"""How the id of an event begins that `bw-exporter simulate` made up.

Stripe's go on with a digit or `test_` (docs.stripe.com/api/events/object, docs.stripe.com/event-destinations).
"""


def real_events(config: CurrentConfig, store: Store) -> Blueprint:
    """Return the answer for one tenant, to be registered at the root of the private application."""
    found = Blueprint("real_events", __name__)

    @found.get("/tenants/<tenant_id>.json")
    def tenant(tenant_id: str) -> tuple[Response, int]:
        known = config.state.tenants.by_id.get(tenant_id)
        if known is None:
            return jsonify(error="there is no such tenant"), 404
        return jsonify(
            tenant=known.id, mode=known.mode, has_real_events=has_real_events(store, known.id)
        ), 200

    return found


def has_real_events(store: Store, tenant_id: str) -> bool:
    """Tell whether a tenant has an event that was not made up.

    One that was counted so long ago that no event is remembered counts as real.
    """
    if not store.above_zero([catalog.LAST_EVENT.number], [tenant_id]):
        return False
    return store.remembers_event(tenant_id, besides=MADE_UP) or not store.remembers_event(tenant_id)
