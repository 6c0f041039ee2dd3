"""Disputes: opened, escalated from an inquiry, closed, and the money they move."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from bw_exporter.config.tenants import Tenant
from bw_exporter.effects.effect import Effect
from bw_exporter.facts.disputes import DisputeSeen
from bw_exporter.metrics import catalog
from bw_exporter.metrics.series import Add, Change

KIND = "dispute"


@dataclass(frozen=True, slots=True)
class Dispute:
    """What was counted of a dispute; `moved` holds minor units by "direction currency".

    `inquiry`: its creation as one was seen; `disputed`: some snapshot after its creation was a dispute's.
    """

    counted: bool = False
    inquiry: bool = False
    disputed: bool = False
    open: bool = False
    closed: bool = False
    moved: dict[str, int] = field(default_factory=dict)


def dispute_seen(fact: DisputeSeen, state: Dispute, _tenant: Tenant) -> tuple[Dispute, list[Change]]:
    """Count a dispute once: when it was opened as one, or when an inquiry has become one, in any order.

    A dispute of before this store existed is not counted as opened, unless an event tells that it became one.
    """
    changes: list[Change] = []
    if fact.stage == "created":
        state, changes = _created(fact, state)
    elif fact.standing == "dispute":
        state = replace(state, disputed=True)
    if state.disputed and not state.counted and (state.inquiry or fact.was_inquiry):
        state, opened = _open(fact, state)
        changes += opened
    if fact.stage == "closed":
        state, closed = _closed(fact, state)
        changes += closed
    state, moved = _funds(fact, state)
    return state, changes + moved


def forgotten(state: Dispute) -> list[Change]:
    """Return what forgetting a dispute takes from the gauge: its closing could not be told from another's."""
    return [Add(catalog.DISPUTES_OPEN, (), -1)] if state.open else []


def _created(fact: DisputeSeen, state: Dispute) -> tuple[Dispute, list[Change]]:
    if fact.standing == "inquiry":
        return replace(state, inquiry=True), [] if state.inquiry else [Add(catalog.INQUIRIES)]
    # A chargeback that follows an inquiry may be created anew under the inquiry's id.
    known = state.counted or (state.inquiry and fact.standing == "unsaid")
    return (state, []) if known else _open(fact, state)


def _open(fact: DisputeSeen, state: Dispute) -> tuple[Dispute, list[Change]]:
    counted = Add(catalog.DISPUTES, (fact.reason,))
    if state.closed or fact.final:
        return replace(state, counted=True), [counted]
    return replace(state, counted=True, open=True), [counted, Add(catalog.DISPUTES_OPEN)]


def _closed(fact: DisputeSeen, state: Dispute) -> tuple[Dispute, list[Change]]:
    if state.closed:
        return state, []
    changes: list[Change] = [Add(catalog.DISPUTES_CLOSED, (fact.outcome,))]
    if state.open:
        changes.append(Add(catalog.DISPUTES_OPEN, (), -1))
    return replace(state, closed=True, open=False), changes


def _funds(fact: DisputeSeen, state: Dispute) -> tuple[Dispute, list[Change]]:
    moved, changes = dict(state.moved), list[Change]()
    for direction, amounts in (("withdrawn", fact.withdrawn), ("reinstated", fact.reinstated)):
        for currency, amount in amounts:
            before = moved.get(f"{direction} {currency}", 0)
            if amount > before:
                moved[f"{direction} {currency}"] = amount
                changes.append(Add(catalog.DISPUTE_FUNDS, (direction, currency), amount - before))
    return replace(state, moved=moved), changes


EFFECTS: dict[type, tuple[Effect, ...]] = {
    DisputeSeen: (Effect(KIND, lambda fact: fact.dispute, Dispute, dispute_seen),)
}
"""How each type of fact in this room counts."""
