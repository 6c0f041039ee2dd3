"""A shop's ordinary days: sales, subscriptions, a few declines and refunds, now and then a dispute.

A rule of a tenant without a past alarms at 5 failures an hour and at 3 disputes a day (the detectors'
defaults), so ordinary traffic of any volume stays below both.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from typing import Literal, TypeAlias

from bw_simulator.shop import memberships, objects, reversals, sales
from bw_simulator.shop.budget import Budget
from bw_simulator.shop.events import event, in_test_mode
from bw_simulator.shop.ids import Ids
from bw_simulator.shop.plans import CURRENCIES, Catalogue, catalogue
from bw_simulator.shop.shapes import Json, Shape

Mood: TypeAlias = Literal["open", "no sales", "silent"]
"""How much of its traffic a shop has: all of it, all but what brings money, or none."""

_FAILURES_AN_HOUR = 4
_DISPUTES_A_DAY = 2
_DAY_SECONDS = 86400
_REMEMBERED_CHARGES = 200
_REMEMBERED_MEMBERS = 5000
_BILLED_AGAIN_SECONDS = 30 * _DAY_SECONDS
"""A subscription is not billed again before its month is over."""

_Happening: TypeAlias = Callable[[int], list[Json]]


class Shop:
    """One tenant's shop. The same tenant, seed and start, asked at the same times, tells the same again."""

    def __init__(self, tenant_id: str, *, seed: int, started_at: int, livemode: bool = True) -> None:
        """`started_at` keeps the ids of two runs with the same seed apart."""
        self.ids = Ids(f"{seed}/{tenant_id}/{started_at}")
        self.mood: Mood = "open"
        self._livemode = livemode
        self._random = random.Random(f"{seed}/{tenant_id}")  # noqa: S311 - a repeatable one is the point
        first = self._random.randrange(len(CURRENCIES))
        self._catalogues = tuple(catalogue(self.ids, (CURRENCIES * 2)[first + i]) for i in range(2))
        self._members: deque[memberships.Membership] = deque(maxlen=_REMEMBERED_MEMBERS)
        self._owing: deque[memberships.Membership] = deque()
        self._charges: deque[Json] = deque(maxlen=_REMEMBERED_CHARGES)
        self._disputes: deque[Json] = deque()
        self.failures = Budget(_FAILURES_AN_HOUR, 3600)
        self.disputes = Budget(_DISPUTES_A_DAY, _DAY_SECONDS)
        self._money: tuple[tuple[float, _Happening], ...] = (
            (45.0, self._sale),
            (12.0, self._sign_up),
            (25.0, self._renewal),
            (2.0, self._recovery),
        )
        self._rest: tuple[tuple[float, _Happening], ...] = (
            (2.5, self._decline),
            (1.0, self._failed_renewal),
            (1.0, self._authentication_failure),
            (4.0, self._abandoned_checkout),
            (2.0, self._price_change),
            (1.5, self._cancellation),
            (3.0, self._refund),
            (0.3, self._dispute),
            (0.3, self._dispute_end),
            (0.3, self._inquiry),
            (0.3, self._early_fraud_warning),
            (1.0, self._payout),
        )

    def next(self, now: int) -> list[Json]:
        """Return the events of what happens next, all made `now`, in the order they came about.

        A silent shop tells nothing; one without sales tells of everything else.
        """
        if self.mood == "silent":
            return []
        happenings = self._rest if self.mood == "no sales" else (*self._money, *self._rest)
        weights = [weight for weight, _ in happenings]
        told: list[Json] = []
        while not told:  # a happening whose time has not come tells nothing
            (chosen,) = self._random.choices(happenings, weights)
            told = chosen[1](now)
        return [self.stamped(one) for one in told]

    def suffer(self, mood: Mood) -> None:
        """Take on what trouble leaves of the traffic; trouble that leaves it open mends nothing either."""
        if mood != "open":
            self.mood = mood

    def lose_members(self, now: int, *, keep_every: int) -> list[Json]:
        """Return the events of members who are canceled `now`, all that the shop has but one in `keep_every`."""
        members = list(self._members)
        self._members.clear()
        self._members.extend(members[::keep_every])
        gone = (member for number, member in enumerate(members) if number % keep_every)
        return [one for member in gone for one in memberships.cancellation(self.ids, now, member)]

    def stamped(self, event: Json) -> Json:
        """Return an event in the mode of this shop's account."""
        return event if self._livemode else in_test_mode(event)

    def _chance(self, share: float) -> bool:
        return self._random.random() < share

    def _shape(self) -> Shape:
        return "old" if self._chance(0.3) else "new"

    def _catalogue(self) -> Catalogue:
        return self._catalogues[self._chance(0.2)]

    def _sale(self, now: int) -> list[Json]:
        goods = self._catalogue()
        buyer = sales.new_buyer(self.ids, guest=self._chance(0.4))
        charge, told = sales.one_off_sale(
            self.ids,
            now,
            buyer=buyer,
            amount=self._random.choice(goods.amounts),
            currency=goods.currency,
            shape=self._shape(),
        )
        self._charges.append(charge)
        return told

    def _sign_up(self, now: int) -> list[Json]:
        member = self._new_member(started_at=now)
        charge, told = memberships.sign_up(self.ids, now, member)
        self._charges.append(charge)
        self._members.append(member)
        return told

    def _renewal(self, now: int) -> list[Json]:
        charge, member, told = memberships.renewal(self.ids, now, self._due_member(now))
        self._charges.append(charge)
        self._members.append(member)
        return told

    def _recovery(self, now: int) -> list[Json]:
        if not self._owing:
            return []
        charge, member, told = memberships.recovery(self.ids, now, self._owing.popleft())
        self._charges.append(charge)
        self._members.append(member)
        return told

    def _decline(self, now: int) -> list[Json]:
        if not self.failures.spend(now):
            return []
        goods = self._catalogue()
        reasons = ("insufficient_funds", "generic_decline", "do_not_honor", "incorrect_cvc")
        return sales.decline(
            self.ids,
            now,
            buyer=sales.new_buyer(self.ids, guest=True),
            amount=self._random.choice(goods.amounts),
            currency=goods.currency,
            reason=self._random.choice(reasons),
            shape=self._shape(),
        )

    def _failed_renewal(self, now: int) -> list[Json]:
        if not self.failures.spend(now):
            return []
        member, told = memberships.failed_renewal(self.ids, now, self._due_member(now))
        self._owing.append(member)
        return told

    def _authentication_failure(self, now: int) -> list[Json]:
        goods = self._catalogue()
        return sales.authentication_failure(
            self.ids,
            now,
            buyer=sales.new_buyer(self.ids),
            amount=self._random.choice(goods.amounts),
            currency=goods.currency,
            shape=self._shape(),
        )

    def _abandoned_checkout(self, now: int) -> list[Json]:
        goods = self._catalogue()
        return sales.abandoned_checkout(
            self.ids, now, amount=self._random.choice(goods.amounts), currency=goods.currency
        )

    def _price_change(self, now: int) -> list[Json]:
        if not self._members:
            return []
        member = self._members.popleft()
        currency = member.item["price"]["currency"]
        prices = next(goods.prices for goods in self._catalogues if goods.currency == currency)
        others = [price for price in prices if price["id"] != member.item["price"]["id"]]
        changed, told = memberships.price_change(self.ids, now, member, self._random.choice(others))
        self._members.append(changed)
        return told

    def _cancellation(self, now: int) -> list[Json]:
        return memberships.cancellation(self.ids, now, self._members.popleft()) if self._members else []

    def _refund(self, now: int) -> list[Json]:
        if not self._charges:
            return []
        charge = self._charges.popleft()
        part = charge["amount"] // 2 if self._chance(0.5) else None
        _, told = reversals.refund(self.ids, now, charge, amount=part)
        return told

    def _dispute(self, now: int) -> list[Json]:
        if not self._charges or not self.disputes.spend(now):
            return []
        reason = self._random.choice(("fraudulent", "product_not_received", "subscription_canceled"))
        dispute, told = reversals.dispute(self.ids, now, self._charges.popleft(), reason=reason)
        self._disputes.append(dispute)
        return told

    def _dispute_end(self, now: int) -> list[Json]:
        if not self._disputes:
            return []
        won = self._chance(0.4)
        return reversals.dispute_end(self.ids, now, self._disputes.popleft(), won=won)

    def _inquiry(self, now: int) -> list[Json]:
        return reversals.inquiry(self.ids, now, self._charges.popleft()) if self._charges else []

    def _early_fraud_warning(self, now: int) -> list[Json]:
        return reversals.early_fraud_warning(self.ids, now, self._charges[0]) if self._charges else []

    def _payout(self, now: int) -> list[Json]:
        amount = self._random.randrange(50_000, 900_000)
        payout = objects.payout(
            self.ids, created_at=now, amount=amount, currency=self._catalogues[0].currency, status="pending"
        )
        paid = {**payout, "status": "paid"}
        return [
            event(self.ids, "payout.created", payout, created_at=now),
            event(self.ids, "payout.paid", paid, created_at=now),
        ]

    def _due_member(self, now: int) -> memberships.Membership:
        """Return who is to be billed: who was billed longest ago, or one the exporter has not heard of."""
        if self._members and self._members[0].billed_at < now - _BILLED_AGAIN_SECONDS:
            return self._members.popleft()
        return self._new_member(started_at=now - 30 * _DAY_SECONDS)

    def _new_member(self, *, started_at: int) -> memberships.Membership:
        goods = self._catalogue()
        return memberships.membership(
            self.ids,
            buyer=sales.new_buyer(self.ids),
            price=self._random.choice(goods.prices),
            started_at=started_at,
            quantity=self._random.choice((1, 1, 1, 2, 5)),
            shape=self._shape(),
        )
