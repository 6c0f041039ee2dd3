"""Subscriptions by status, and the changes in their lives."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction

from bw_exporter.config.tenants import Tenant
from bw_exporter.effects.effect import Effect
from bw_exporter.facts.subscriptions import ENDED_STATUSES, Item, SubscriptionSeen
from bw_exporter.metrics import catalog
from bw_exporter.metrics.series import Add, Change
from bw_exporter.store.retention import ENDED_SUBSCRIPTION_SECONDS

KIND = "subscription"

_BEHIND = ("past_due", "unpaid")

_REMEMBERED = 16
"""The latest counted changes are remembered, 40 bytes each; a second event of the same change follows within days."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """The newest snapshot of a subscription by event order, and what was counted of it.

    `per_month` is its price in minor units per month as a fraction's text, where it is known. `missed` is the
    status that the snapshot says it replaced, where no snapshot before it had that status. `trialed`: its
    creation was counted as a trial's. `counted` holds the last changes as (kind, since, until): one of this kind
    between these seconds is counted. `cancel_scheduled` and `collection_paused` are None where the snapshot was
    remembered before they were; then `cancel_at_period_end` says a part of the first.
    """

    order: tuple[int, int] = (-1, 0)
    status: str = ""
    missed: str = ""
    per_month: str = ""
    cancel_at_period_end: bool = False
    cancel_scheduled: bool | None = None
    collection_paused: bool | None = None
    created: bool = False
    canceled: bool = False
    trialed: bool = False
    counted: list[tuple[str, int, int]] = field(default_factory=list)


def subscription_seen(
    fact: SubscriptionSeen, state: Subscription, _tenant: Tenant
) -> tuple[Subscription, list[Change]]:
    """Count what an event says has changed, late or not; follow the newest snapshot alone.

    A change is a fact of the event that says what it replaced. One of which no event says so is found between the
    snapshots, and counts once with the event that says it after all.
    """
    late = _older(fact, state)
    kinds, state = _begun(fact, state)
    compared = [] if late else _changes_since(fact, state)
    for changed, since in ((_own_changes(fact), fact.order[0]), (compared, state.order[0])):
        fresh, state = _uncounted(changed, since, fact.order[0], state)
        kinds += fresh
    kinds, state = _ended(kinds, fact, state)
    changes: list[Change] = [Add(catalog.SUBSCRIPTION_CHANGES, (kind,)) for kind in kinds]
    if late:
        tied = fact.order == tuple(state.order)
        return replace(state, missed=fact.previous_status or "") if tied else state, changes
    if fact.status != state.status:
        changes += [*forgotten(state), Add(catalog.SUBSCRIPTIONS, (fact.status,))]
    following = replace(
        state,
        order=fact.order,
        status=fact.status,
        missed=_missed(fact, state),
        per_month=_price(fact),
        cancel_at_period_end=fact.cancel_scheduled,
        cancel_scheduled=fact.cancel_scheduled,
        collection_paused=fact.collection_paused,
    )
    return following, changes


def forgotten(state: Subscription) -> list[Change]:
    """Return what forgetting a subscription takes from the gauge."""
    return [Add(catalog.SUBSCRIPTIONS, (state.status,), -1)] if state.status else []


def _older(fact: SubscriptionSeen, state: Subscription) -> bool:
    """Whether a snapshot is from before the newest: of two of one second, the one that the newest replaced."""
    order = tuple(state.order)
    return fact.order < order or (fact.order == order and fact.status == state.missed)


def _missed(fact: SubscriptionSeen, state: Subscription) -> str:
    if fact.order == tuple(state.order) and fact.status == state.status:
        return state.missed  # a twin, or another change of that second
    return "" if fact.previous_status in (None, state.status) else fact.previous_status


def _begun(fact: SubscriptionSeen, state: Subscription) -> tuple[list[str], Subscription]:
    created = fact.first and not state.created
    trialed = fact.first and fact.status == "trialing" and not state.trialed
    kinds = [*(["created"] if created else []), *(["trial_started"] if trialed else [])]
    return kinds, replace(state, created=state.created or created, trialed=state.trialed or trialed)


def _own_changes(fact: SubscriptionSeen) -> list[str]:
    """Return the changes that the event says it is of."""
    kinds = _status_changes(fact.previous_status or fact.status, fact.status)
    if fact.previous_items and fact.items_complete:
        kinds += _plan_changes(_per_month(fact.previous_items), fact)
    if fact.previous_cancel_scheduled is not None:
        kinds += _cancel_changes(fact.previous_cancel_scheduled, fact)
    if fact.previous_collection_paused is not None:
        kinds += _pause_changes(fact.previous_collection_paused, fact)
    return kinds


def _changes_since(fact: SubscriptionSeen, state: Subscription) -> list[str]:
    """Return the changes since the snapshot before, as far as the event does not say itself what changed."""
    if not state.status or fact.first:
        return []
    before = fact.previous_items
    price_said = before is None or (bool(before) and bool(_per_month(before)))
    kinds = [] if fact.has_previous_attributes and price_said else _plan_changes(state.per_month, fact)
    if fact.has_previous_attributes:
        return kinds
    kinds += _status_changes(state.status, fact.status)
    # What was not remembered is known to be scheduled, or not known at all.
    scheduled = state.cancel_scheduled if state.cancel_scheduled is not None else state.cancel_at_period_end
    if scheduled or state.cancel_scheduled is not None:
        kinds += _cancel_changes(scheduled, fact)
    if state.collection_paused is not None:
        kinds += _pause_changes(state.collection_paused, fact)
    return kinds


def _uncounted(
    kinds: list[str], since: int, until: int, state: Subscription
) -> tuple[list[str], Subscription]:
    """Return those of these changes that are not counted, which happened between these seconds, and remember them."""
    fresh, counted = [], [(kind, first, last) for kind, first, last in state.counted]
    for kind in kinds:
        known = [each for each in counted if each[0] == kind and each[1] <= until <= each[2]]
        if known:
            # What was found between two snapshots has its second now; another one of its kind is another change.
            counted.remove(known[0])
        else:
            fresh.append(kind)
        counted.append((kind, since, until))
    counted.sort(key=lambda each: each[2])
    return fresh, replace(state, counted=counted[-_REMEMBERED:])


def _ended(kinds: list[str], fact: SubscriptionSeen, state: Subscription) -> tuple[list[str], Subscription]:
    """Count a cancellation once, be it an update or the deletion that says so."""
    canceled = "canceled" in kinds or (fact.ended and fact.status == "canceled")
    others = [kind for kind in kinds if kind != "canceled"]
    kinds = [*others, "canceled"] if canceled and not state.canceled else others
    return kinds, replace(state, canceled=state.canceled or canceled)


def _status_changes(before: str, now: str) -> list[str]:
    kinds = []
    if now == "canceled" and before != "canceled":
        kinds.append("canceled")
    if now == "trialing" and before != "trialing":
        kinds.append("trial_started")
    if before == "trialing" and now == "active":
        kinds.append("trial_converted")
    if now == "paused" and before != "paused":
        kinds.append("paused")
    if before == "paused" and now in ("active", "trialing"):
        kinds.append("resumed")
    if now == "past_due" and before not in _BEHIND:
        kinds.append("past_due")
    if before in _BEHIND and now == "active":
        kinds.append("recovered")
    return kinds


def _plan_changes(before: str, fact: SubscriptionSeen) -> list[str]:
    """Compare prices of one subscription over time; a plan that cannot be priced is no change."""
    now = _price(fact)
    if not before or not now or fact.status in ENDED_STATUSES:
        return []
    old, _, old_currency = before.partition(" ")
    new, _, new_currency = now.partition(" ")
    # Without items there is no currency, and nothing to pay in any.
    comparable = old_currency == new_currency or "" in (old_currency, new_currency)
    if not comparable or Fraction(old) == Fraction(new):
        return []
    return ["upgraded" if Fraction(new) > Fraction(old) else "downgraded"]


def _cancel_changes(before: bool, fact: SubscriptionSeen) -> list[str]:  # noqa: FBT001 - what it was
    if before == fact.cancel_scheduled or fact.status in ENDED_STATUSES:
        return []
    return ["cancel_scheduled" if fact.cancel_scheduled else "cancel_unscheduled"]


def _pause_changes(before: bool, fact: SubscriptionSeen) -> list[str]:  # noqa: FBT001 - what it was
    """Pausing the collection is what dashboard and portal call pausing: the status stays as it is."""
    if before == fact.collection_paused or fact.status in ENDED_STATUSES:
        return []
    return ["paused" if fact.collection_paused else "resumed"]


def _price(fact: SubscriptionSeen) -> str:
    return _per_month(fact.items) if fact.items_complete else ""


def _per_month(items: tuple[Item, ...]) -> str:
    """Price per month as "fraction currency"; empty where an item has no fixed price, "0 " where there is no item."""
    total, currencies = Fraction(0), set()
    for item in items:
        priced = item.unit_amount is not None and item.quantity is not None and item.per_month is not None
        if not priced or item.metered or item.tiered:
            return ""
        total += Fraction(item.unit_amount) * item.quantity * Fraction(*item.per_month)  # type: ignore[arg-type,operator,misc]
        currencies.add(item.currency)
    return f"{total} {''.join(currencies)}" if len(currencies) <= 1 else ""


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
