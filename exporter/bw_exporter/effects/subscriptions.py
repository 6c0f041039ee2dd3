"""Subscriptions by status, and the changes in their lives."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from bw_exporter import catalog
from bw_exporter.effects.effect import Effect
from bw_exporter.facts.subscriptions import ENDED_STATUSES, Item, SubscriptionSeen
from bw_exporter.retention import ENDED_SUBSCRIPTION_SECONDS
from bw_exporter.series import Add, Change
from bw_exporter.tenants import Tenant

KIND = "subscription"

_BEHIND = ("past_due", "unpaid")


@dataclass(frozen=True, slots=True)
class Subscription:
    """The newest snapshot of a subscription by event order, and what was counted of it.

    `per_month` is its price in minor units per month as a fraction's text, where it can be told. `missed` is the
    status that the snapshot says it replaced, where no snapshot before it had told that status.
    """

    order: tuple[int, int] = (-1, 0)
    status: str = ""
    missed: str = ""
    per_month: str = ""
    cancel_at_period_end: bool = False
    created: bool = False
    canceled: bool = False
    trialed: bool = False


def subscription_seen(
    fact: SubscriptionSeen, state: Subscription, _tenant: Tenant
) -> tuple[Subscription, list[Change]]:
    """Follow the newest snapshot; an older one delivered late only tells how the subscription began."""
    changes: list[Change] = []
    if fact.first and not state.created:
        changes.append(Add(catalog.SUBSCRIPTION_CHANGES, ("created",)))
        state = replace(state, created=True)
    if _older(fact, state):
        if fact.first and fact.status == "trialing" and not state.trialed:
            changes.append(Add(catalog.SUBSCRIPTION_CHANGES, ("trial_started",)))
            state = replace(state, trialed=True)
        return state, changes
    if fact.status != state.status:
        if state.status:
            changes.append(Add(catalog.SUBSCRIPTIONS, (state.status,), -1))
        changes.append(Add(catalog.SUBSCRIPTIONS, (fact.status,)))
    kinds = [*_status_changes(fact, state), *_plan_changes(fact, state), *_cancel_changes(fact, state)]
    changes += [Add(catalog.SUBSCRIPTION_CHANGES, (kind,)) for kind in kinds]
    following = replace(
        state,
        order=fact.order,
        status=fact.status,
        missed="" if fact.was_status in (None, state.status) else fact.was_status,
        per_month=_per_month(fact.items, truncated=fact.items_truncated),
        cancel_at_period_end=fact.cancel_at_period_end,
        canceled=state.canceled or fact.status == "canceled",
        trialed=state.trialed or "trial_started" in kinds,
    )
    return following, changes


def forgotten(state: Subscription) -> list[Change]:
    """Return what forgetting a subscription takes from the gauge."""
    return [Add(catalog.SUBSCRIPTIONS, (state.status,), -1)] if state.status else []


def _older(fact: SubscriptionSeen, state: Subscription) -> bool:
    """Whether a snapshot is from before the newest: of two of one second, the one that the newest replaced."""
    order = tuple(state.order)
    return fact.order < order or (fact.order == order and fact.status == state.missed)


def _status_changes(fact: SubscriptionSeen, state: Subscription) -> list[str]:
    before, now = state.status or fact.was_status or "", fact.status
    kinds = []
    if now == "canceled" and not state.canceled and (fact.ended or before not in ("canceled", "")):
        kinds.append("canceled")
    if now == "trialing" and (fact.first or before not in ("trialing", "")):
        kinds.append("trial_started")
    if before == "trialing" and now == "active":
        kinds.append("trial_converted")
    if now == "paused" and before not in ("paused", ""):
        kinds.append("paused")
    if before == "paused" and now in ("active", "trialing"):
        kinds.append("resumed")
    if now == "past_due" and before not in (*_BEHIND, ""):
        kinds.append("past_due")
    if before in _BEHIND and now == "active":
        kinds.append("recovered")
    return kinds


def _plan_changes(fact: SubscriptionSeen, state: Subscription) -> list[str]:
    """Compare prices of one subscription over time; a plan that cannot be priced is no change."""
    now = _per_month(fact.items, truncated=fact.items_truncated)
    if not state.per_month or not now or fact.status in ENDED_STATUSES:
        return []
    old, _, old_currency = state.per_month.partition(" ")
    new, _, new_currency = now.partition(" ")
    if old_currency != new_currency or Fraction(old) == Fraction(new):
        return []
    return ["upgraded" if Fraction(new) > Fraction(old) else "downgraded"]


def _cancel_changes(fact: SubscriptionSeen, state: Subscription) -> list[str]:
    before = state.cancel_at_period_end if state.status else fact.was_cancel_at_period_end
    if before is None or before == fact.cancel_at_period_end or fact.status in ENDED_STATUSES:
        return []
    return ["cancel_scheduled" if fact.cancel_at_period_end else "cancel_unscheduled"]


def _per_month(items: tuple[Item, ...], *, truncated: bool) -> str:
    """Price per month as "fraction currency"; empty where an item has no fixed price."""
    total, currencies = Fraction(0), set()
    for item in items:
        priced = item.unit_amount is not None and item.quantity is not None and item.per_month is not None
        if not priced or item.metered or item.tiered:
            return ""
        total += Fraction(item.unit_amount) * item.quantity * Fraction(*item.per_month)  # type: ignore[arg-type,operator,misc]
        currencies.add(item.currency)
    return f"{total} {currencies.pop()}" if len(currencies) == 1 and not truncated else ""


def _kept(state: Subscription) -> int | None:
    return ENDED_SUBSCRIPTION_SECONDS if state.status in ENDED_STATUSES else None


EFFECTS: dict[type, tuple[Effect, ...]] = {
    SubscriptionSeen: (
        Effect(
            KIND,
            lambda fact: fact.subscription,
            Subscription,
            subscription_seen,
            _kept,
        ),
    )
}
"""How each type of fact in this room counts."""
