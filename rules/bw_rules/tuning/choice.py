"""Picks thresholds for a tenant's detector among those that were tried."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bw_rules.tuning import marks as judged

if TYPE_CHECKING:
    from bw_rules.backtest.trial import Episode
    from bw_rules.tuning.ladder import Step
    from bw_rules.tuning.marks import Mark

_MONTH = 30 * 86_400


@dataclass(frozen=True, slots=True)
class Tried:
    """What a step (none of its keys: as it is) let fire, and which episodes of those as it is it would let pass."""

    step: Step
    a_month: float
    unconfirmed_a_month: float
    passed: tuple[Episode, ...]
    hides_confirmed: int
    keeps_false: int


@dataclass(frozen=True, slots=True)
class Choice:
    """The steps that were tried for a tenant's detector, the first as it is, and which is proposed (None: none).

    `enough` says whether what is proposed (or what is) raises as few alerts as asked for.
    """

    tenant: str
    detector: str
    tried: tuple[Tried, ...]
    proposed: Tried | None
    enough: bool


def tried(
    step: Step, now: Sequence[Episode], then: Sequence[Episode], marks: Sequence[Mark], judged_seconds: int
) -> Tried:
    """Return what became of the episodes as they are `now` with the thresholds of a step."""
    unconfirmed = [one for one in then if judged.said(marks, one) != judged.CONFIRMED]
    passed = tuple(one for one in now if not any(_same(one, other) for other in then))
    return Tried(
        step,
        len(then) * _MONTH / judged_seconds,
        len(unconfirmed) * _MONTH / judged_seconds,
        passed,
        sum(judged.said(marks, one) == judged.CONFIRMED for one in passed),
        sum(judged.said(marks, one) == judged.FALSE for one in then),
    )


def choice(tenant: str, detector: str, all_tried: Sequence[Tried], most_a_month: float) -> Choice:
    """Return the first step that raises few alerts, hides no confirmed episode and keeps none that is marked false.

    Confirmed alerts are worth having, and do not count. Where no step does all of that, false ones may stay; where none
    raises so few, it is the quietest that hides no confirmed one.
    """
    safe = [one for one in all_tried if not one.hides_confirmed]
    few = [one for one in safe if one.unconfirmed_a_month <= most_a_month]
    good = [one for one in few if not one.keeps_false]
    best = (good or few)[0] if few else min(safe, key=lambda one: one.unconfirmed_a_month)
    proposed = None if best is all_tried[0] else best
    return Choice(tenant, detector, tuple(all_tried), proposed, bool(few))


def _same(one: Episode, other: Episode) -> bool:
    """Tell whether two sets of thresholds told of the same trouble: their episodes overlap."""
    return (
        one.labels == other.labels
        and (other.end_at is None or one.begin_at <= other.end_at)
        and (one.end_at is None or other.begin_at <= one.end_at)
    )
