"""Disputes: opened, escalated from an inquiry, closed, and the money they move."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

from bw_exporter.config.tenants import Tenant
from bw_exporter.effects.effect import Effect
from bw_exporter.facts.disputes import DisputeSeen, Funds
from bw_exporter.metrics import catalog
from bw_exporter.metrics.series import Add, Change

KIND = "dispute"

Owner = tuple[int, int, str, str, int]
"""An event of money, as how many transactions it shows, when it was made and its direction; currency and net."""


@dataclass(frozen=True, slots=True)
class Dispute:
    """What was counted of a dispute.

    `inquiry`: its creation as one was seen; `disputed`: some snapshot after its creation was a dispute's. `outcomes`
    holds those it was closed with. `moved` holds what was counted of its money, in minor units by "direction
    currency", and `owners` each balance transaction by its id, with the earliest event of money that shows it.
    `newest` is the order, amount and currency of the newest snapshot, and `at_stake` what of it was added to the
    amount of open disputes.
    """

    counted: bool = False
    inquiry: bool = False
    disputed: bool = False
    open: bool = False
    closed: bool = False
    outcomes: list[str] = field(default_factory=list)
    moved: dict[str, int] = field(default_factory=dict)
    owners: dict[str, Owner] = field(default_factory=dict)
    newest: tuple[int, int, int, str] = (-1, -1, 0, "")
    at_stake: tuple[int, str] = (0, "")


def dispute_seen(fact: DisputeSeen, state: Dispute, _tenant: Tenant) -> tuple[Dispute, list[Change]]:
    """Count a dispute once: when it was opened as one, or when an inquiry has become one, in any order.

    A dispute of before this store existed is not counted as opened, unless an event says that it became one.
    """
    changes: list[Change] = []
    if fact.stage == "created":
        state, changes = _created(fact, state)
    elif fact.stage == "listed":
        state, changes = _listed(fact, state)
    elif fact.standing == "dispute":
        state = replace(state, disputed=True)
    if state.disputed and not state.counted and (state.inquiry or fact.was_inquiry):
        state, opened = _open(fact, state)
        changes += opened
    if fact.stage == "closed":
        state, closed = _closed(fact, state)
        changes += closed
    if fact.funds is not None:
        state, moved = _funds(fact.funds, state)
        changes += moved
    state, staked = _stake(fact, state)
    return state, [*changes, *staked]


def forgotten(state: Dispute) -> list[Change]:
    """Return what forgetting a dispute takes from the gauges: its closing could no longer be matched."""
    return [Add(catalog.DISPUTES_OPEN, (), -1), *_staked(state, (0, ""))] if state.open else []


def _stake(fact: DisputeSeen, state: Dispute) -> tuple[Dispute, list[Change]]:
    """Follow the amount of the newest snapshot while the dispute is open."""
    newest = max((*fact.order, fact.amount, fact.currency), _snapshot(*state.newest))
    at_stake = newest[2:] if state.open else (0, "")
    return replace(state, newest=newest, at_stake=at_stake), _staked(state, at_stake)


def _snapshot(at: int, rank: int, amount: int, currency: str) -> tuple[int, int, int, str]:
    return at, rank, amount, currency


def _staked(state: Dispute, at_stake: tuple[int, str]) -> list[Change]:
    before, currency_before = state.at_stake
    amount, currency = at_stake
    if (amount, currency) == (before, currency_before):
        return []
    moves = ((currency, amount), (currency_before, -before))
    return [Add(catalog.DISPUTED_OPEN, (label,), more) for label, more in moves if more]


def _created(fact: DisputeSeen, state: Dispute) -> tuple[Dispute, list[Change]]:
    if fact.standing == "inquiry":
        return replace(state, inquiry=True), [] if state.inquiry else [Add(catalog.INQUIRIES)]
    # A chargeback that follows an inquiry may be created anew under the inquiry's id.
    known = state.counted or (state.inquiry and fact.standing == "unsaid")
    return (state, []) if known else _open(fact, state)


def _listed(fact: DisputeSeen, state: Dispute) -> tuple[Dispute, list[Change]]:
    """Take in one that is open, of which no event was seen: it was opened before anything was counted."""
    if fact.standing == "inquiry":
        return replace(state, inquiry=True), []
    return replace(state, disputed=True, counted=True, open=True), [Add(catalog.DISPUTES_OPEN)]


def _open(fact: DisputeSeen, state: Dispute) -> tuple[Dispute, list[Change]]:
    counted = Add(catalog.DISPUTES, (fact.reason,))
    if state.closed or fact.final:
        return replace(state, counted=True), [counted]
    return replace(state, counted=True, open=True), [counted, Add(catalog.DISPUTES_OPEN)]


def _closed(fact: DisputeSeen, state: Dispute) -> tuple[Dispute, list[Change]]:
    """Count each outcome once: a dispute that was won may be lost later."""
    if fact.outcome in state.outcomes:
        return state, []
    changes: list[Change] = [Add(catalog.DISPUTES_CLOSED, (fact.outcome,))]
    if state.open:
        changes.append(Add(catalog.DISPUTES_OPEN, (), -1))
    return replace(state, closed=True, open=False, outcomes=[*state.outcomes, fact.outcome]), changes


def _funds(funds: Funds, state: Dispute) -> tuple[Dispute, list[Change]]:
    """Count what the dispute's transactions sum up to in each direction, beyond what was counted.

    A transaction belongs to the earliest event that shows it, whatever order they arrive in: an adjustment of
    either sign thus makes the withdrawal, or the reinstatement, that it came with smaller or larger.
    """
    owners = {own: _owner(*kept) for own, kept in state.owners.items()}
    for own, currency, net in funds.transactions:
        owner = _owner(len(funds.transactions), funds.at, funds.direction, currency, net)
        if state.moved and not state.owners:
            # Of before transactions were remembered: then the sign of each said its direction.
            owner = _owner(0, 0, "withdrawn" if net < 0 else "reinstated", currency, net)
        owners[own] = min(owner, owners.get(own, owner), key=_order)
    moved, changes = dict(state.moved), list[Change]()
    for (direction, currency), amount in sorted(_sums(owners).items()):
        before = moved.get(f"{direction} {currency}", 0)
        if amount > before:
            moved[f"{direction} {currency}"] = amount
            changes.append(Add(catalog.DISPUTE_FUNDS, (direction, currency), amount - before))
    return replace(state, moved=moved, owners=owners), changes


def _owner(shown: int, at: int, direction: str, currency: str, net: int) -> Owner:
    return shown, at, direction, currency, net


def _order(owner: Owner) -> tuple[int, int, bool]:
    """The event that shows fewer transactions is the earlier one: seconds tie."""
    shown, at, direction, *_ = owner
    return shown, at, direction != "withdrawn"


def _sums(owners: dict[str, Owner]) -> dict[tuple[str, str], int]:
    """Return what was moved, by direction and currency."""
    known = {direction for own, (_, _, direction, _, _) in owners.items() if own != f"{direction} amount"}
    events: dict[tuple[int, int, str, str], list[int]] = {}
    for own, (shown, at, direction, currency, net) in owners.items():
        # The disputed amount stands in for the transactions of a direction until these are known.
        if own != f"{direction} amount" or direction not in known:
            events.setdefault((shown, at, direction, currency), []).append(net)
    withdrawals = [(shown, at) for shown, at, direction, _ in events if direction == "withdrawn"]
    sums = Counter[tuple[str, str]]()
    for (shown, at, direction, currency), nets in events.items():
        if direction == "withdrawn":
            sums[direction, currency] -= sum(nets)
        elif min(nets) < 0 and not any(each <= (shown, at) for each in withdrawals):
            # The withdrawal has not been seen: which adjustments came with it is not known yet. No more than this
            # was given back: the largest transaction, less all that were taken but for the withdrawal itself.
            taken = sum(net for net in nets if net < 0) - min(nets)
            sums[direction, currency] += max(0, max(nets) + taken)
        else:
            sums[direction, currency] += sum(nets)
    return sums


EFFECTS: dict[type, tuple[Effect, ...]] = {
    DisputeSeen: (Effect(KIND, lambda fact: fact.dispute, Dispute, dispute_seen),)
}
"""How each type of fact in this room counts."""
