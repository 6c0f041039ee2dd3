"""Objects that count once per state: early fraud warnings, payouts, checkout sessions."""

from __future__ import annotations

from dataclasses import dataclass

from bw_exporter.config.tenants import Tenant
from bw_exporter.effects.effect import Effect
from bw_exporter.facts.once import Once
from bw_exporter.metrics import catalog
from bw_exporter.metrics.series import Add, Change, RaiseTo

_FAMILIES = {
    "early_fraud_warning": catalog.EARLY_FRAUD_WARNINGS,
    "payout": catalog.PAYOUTS,
    "checkout_session": catalog.CHECKOUT_SESSIONS,
}


@dataclass(frozen=True, slots=True)
class Counted:
    """That the object was counted in this state."""

    counted: bool = False


def once(fact: Once, state: Counted, _tenant: Tenant) -> tuple[Counted, list[Change]]:
    """Count the object unless it was."""
    changes: list[Change] = []
    if fact.what == "payout" and fact.state == "paid":
        changes.append(RaiseTo(catalog.LAST_PAYOUT, fact.at))
    if not state.counted:
        changes.append(Add(_FAMILIES[fact.what], (fact.state,) if fact.state else ()))
    return Counted(counted=True), changes


EFFECTS: dict[type, tuple[Effect, ...]] = {
    Once: (Effect("once", lambda fact: f"{fact.what} {fact.state} {fact.id}", Counted, once),)
}
"""How each type of fact in this room counts."""
