"""Disputes: opened, escalated from an inquiry, closed, and the money they move."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from bw_exporter import catalog
from bw_exporter.effects.effect import Effect
from bw_exporter.facts.disputes import DisputeSeen
from bw_exporter.series import Add, Change
from bw_exporter.tenants import Tenant


@dataclass(frozen=True, slots=True)
class Dispute:
    """What was counted of a dispute; `moved` holds minor units by "direction currency".

    `escalated` remembers an update to a dispute's status that came before the creation did.
    """

    counted: bool = False
    inquiry: bool = False
    escalated: bool = False
    closed: bool = False
    moved: dict[str, int] = field(default_factory=dict)


def dispute_seen(fact: DisputeSeen, state: Dispute, _tenant: Tenant) -> tuple[Dispute, list[Change]]:
    """Count a dispute once: when it was opened as one, or when an inquiry has become one.

    A dispute of before this store existed is never counted as opened, whatever its later events say.
    """
    if fact.stage == "created":
        return _created(fact, state)
    if fact.stage == "updated":
        if fact.inquiry or state.counted or state.closed:
            return state, []
        if state.inquiry:
            return _open(fact, state)
        return replace(state, escalated=True), []
    if fact.stage == "closed":
        return _closed(fact, state)
    return _funds(fact, state)


def _created(fact: DisputeSeen, state: Dispute) -> tuple[Dispute, list[Change]]:
    if state.counted or state.inquiry:
        return state, []
    if not fact.inquiry:
        return _open(fact, state)
    seen = replace(state, inquiry=True)
    changes: list[Change] = [Add(catalog.INQUIRIES)]
    if state.escalated:
        seen, opened = _open(fact, seen)
        changes += opened
    return seen, changes


def _open(fact: DisputeSeen, state: Dispute) -> tuple[Dispute, list[Change]]:
    changes: list[Change] = [Add(catalog.DISPUTES, (fact.reason,))]
    if not state.closed:
        changes.append(Add(catalog.DISPUTES_OPEN))
    return replace(state, counted=True), changes


def _closed(fact: DisputeSeen, state: Dispute) -> tuple[Dispute, list[Change]]:
    if state.closed:
        return state, []
    changes: list[Change] = [Add(catalog.DISPUTES_CLOSED, (fact.outcome,))]
    if state.counted:
        changes.append(Add(catalog.DISPUTES_OPEN, (), -1))
    return replace(state, closed=True), changes


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
    DisputeSeen: (Effect("dispute", lambda fact: fact.dispute, Dispute, dispute_seen),)
}
"""How each type of fact in this room counts."""
