"""Monthly recurring revenue: what each subscription adds to it, and how it got there.

The gauge is the sum over the newest snapshot of each subscription, in any order of delivery. Every change of the
gauge is a movement of the same amount, so that the movements sum up to it at any moment. An event that comes late
moves neither: what happened between two snapshots was counted with the newer one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bw_exporter.config.tenants import Tenant
from bw_exporter.effects import subscriptions
from bw_exporter.effects.effect import Effect
from bw_exporter.facts.monthly import Monthly, remembered
from bw_exporter.facts.subscriptions import ENDED_STATUSES, SubscriptionSeen
from bw_exporter.metrics import catalog
from bw_exporter.metrics.money import currency_label
from bw_exporter.metrics.series import Add, Change
from bw_exporter.store.retention import DAY_SECONDS, ENDED_SUBSCRIPTION_SECONDS
from bw_exporter.store.state_json import decoded

KIND = "mrr"

_FRESH_SECONDS = 3 * DAY_SECONDS
"""Stripe repeats for three days: the creation of a younger subscription may still come, that of an older one not."""


@dataclass(frozen=True, slots=True)
class Recurring:
    """What of a subscription is in MRR, by its newest snapshot.

    `rises_as` is the movement of its next rise from 0. `replaced` is the value that the newest snapshot says it
    replaced, None where it does not say; `gap`: no snapshot before had that value. They tell which of two snapshots of
    one second is the older.
    """

    order: tuple[int, int] = (-1, 0)
    currency: str = ""
    minor_units: int = 0
    excluded: str = ""
    ended: bool = False
    rises_as: str = "new"
    replaced: int | None = None
    gap: bool = False

    @property
    def seen(self) -> bool:
        """Whether any snapshot was."""
        return self.order[0] >= 0


def subscription_seen(
    fact: SubscriptionSeen, state: Recurring, _tenant: Tenant
) -> tuple[Recurring | None, list[Change]]:
    """Follow the newest snapshot, by way of the value that it says it replaced."""
    order = tuple(state.order)
    if fact.order < order:
        return None, []
    now, before = fact.monthly, _before(fact)
    if fact.order == order:
        if (now.currency, now.minor_units, now.excluded) == (
            state.currency,
            state.minor_units,
            state.excluded,
        ):
            return None, []  # a twin, or another change of that second
        if _was_replaced(now, before, state):
            return replace(state, replaced=None if before is None else before.minor_units, gap=True), []
    if not state.seen:
        state = replace(state, rises_as=_first_rise(fact, before))
    known = before is not None and before.currency in (now.currency, state.currency)
    gap = known and before is not None and before.minor_units != state.minor_units
    changes: list[Change] = []
    if gap and before is not None:
        state, changes = _moved(state, before)
    state, more = _moved(state, now)
    following = replace(
        state,
        order=fact.order,
        ended=fact.ended or fact.status in ENDED_STATUSES,
        replaced=before.minor_units if known and before is not None else None,
        gap=gap,
    )
    return following, [*changes, *more]


def adopted(raw: bytes, state: Recurring) -> tuple[Recurring | None, list[Change]]:
    """Return what a subscription that was remembered before MRR was counted adds to it, as `opening`.

    `raw` is what the older version remembered. Its price has neither coupons nor packages, or is not known: then it
    opens with its next event. None where `state` is as new.
    """
    old = decoded(subscriptions.Subscription, raw)
    if tuple(state.order) >= tuple(old.order):
        return None, []
    value = remembered(old.per_month, status=old.status, paused=bool(old.collection_paused))
    if not state.seen and value.minor_units:
        state = replace(state, rises_as="opening")
    return _moved(replace(state, order=old.order, ended=old.status in ENDED_STATUSES), value)


def kept_seconds(state: Recurring) -> int | None:
    """How long a subscription is remembered after a change; None: for good."""
    return ENDED_SUBSCRIPTION_SECONDS if state.ended else None


def _before(fact: SubscriptionSeen) -> Monthly | None:
    """The value that the snapshot replaced, as far as the event says it."""
    return Monthly(fact.monthly.currency) if fact.first else fact.previous_monthly


def _was_replaced(now: Monthly, before: Monthly | None, state: Recurring) -> bool:
    """Whether this snapshot is the one that the newest, of the same second, says it replaced."""
    if state.replaced is None or now.minor_units != state.replaced or now.minor_units == state.minor_units:
        return False
    # There and back again within a second: whether the newest had a snapshot before it decides.
    return state.gap or before is None or before.minor_units != state.minor_units


def _first_rise(fact: SubscriptionSeen, before: Monthly | None) -> str:
    """Which movement it is when a subscription that was not known before begins to count."""
    first = fact.monthly if before is None else before
    if not first.minor_units:
        return "reactivation" if first.earned else "opening" if first.price_unknown else "new"
    fresh = fact.begun_at is not None and fact.order[0] - fact.begun_at < _FRESH_SECONDS
    return "new" if fresh and not fact.listed else "opening"


def _moved(state: Recurring, now: Monthly) -> tuple[Recurring, list[Change]]:
    """Let a subscription count `now`, and as what its next rise from 0 will count."""
    changes: list[Change] = []
    if now.excluded != state.excluded:
        changes += [Add(catalog.MRR_EXCLUDED, (state.excluded,), -1)] if state.excluded else []
        changes += [Add(catalog.MRR_EXCLUDED, (now.excluded,))] if now.excluded else []
    if state.minor_units and now.currency != state.currency:
        # Nothing is converted: it goes in one currency, and comes back in another.
        changes += _movement("churn", state.currency, -state.minor_units)
        state = replace(state, minor_units=0, rises_as="reactivation")
    step = now.minor_units - state.minor_units
    if step:
        kind = _kind(state, now)
        # A price that can no longer be told is no loss that anybody took.
        hidden = kind in ("churn", "contraction") and now.price_unknown and now.excluded != state.excluded
        changes += _movement(kind, now.currency, step, counted=not hidden)
    rises_as = state.rises_as
    if now.price_unknown and not now.minor_units:
        rises_as = "opening"
    elif now.earned:
        rises_as = "reactivation"
    currency = now.currency or state.currency
    return (
        replace(
            state, currency=currency, minor_units=now.minor_units, excluded=now.excluded, rises_as=rises_as
        ),
        changes,
    )


def _kind(state: Recurring, now: Monthly) -> str:
    if not state.minor_units:
        return state.rises_as
    if not now.minor_units:
        return "churn"
    return "expansion" if now.minor_units > state.minor_units else "contraction"


def _movement(kind: str, currency: str, step: int, *, counted: bool = True) -> list[Change]:
    """Return the changes of one movement; `counted`: it is one among the movements, not among the money alone."""
    label = currency_label(currency)
    changes: list[Change] = [
        Add(catalog.MRR, (label,), step),
        Add(catalog.MRR_MOVEMENT, (label, kind), abs(step)),
    ]
    return [*changes, Add(catalog.MRR_MOVEMENTS, (label, kind))] if counted else changes


EFFECTS: dict[type, tuple[Effect, ...]] = {
    SubscriptionSeen: (
        Effect(KIND, lambda fact: fact.subscription, Recurring, subscription_seen, kept_seconds),
    )
}
"""How each type of fact in this room counts."""
