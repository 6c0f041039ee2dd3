"""Tries quieter thresholds for whatever fires too often, on what a running Prometheus has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from bw_rules.backtest import trial, variants
from bw_rules.backtest.coverage import thresholds
from bw_rules.backtest.variants import Change, Variant
from bw_rules.tuning import ladder
from bw_rules.tuning import marks as judged
from bw_rules.tuning.choice import Choice, choice, tried

if TYPE_CHECKING:
    from bw_exporter.config.tenants import Tenants
    from bw_rules.backtest.trial import Episode, Period, Result
    from bw_rules.prometheus import Prometheus
    from bw_rules.tuning.ladder import Step
    from bw_rules.tuning.marks import Mark

_MONTH = 30 * 86_400
_AS_IT_IS = variants.AS_IT_IS

Pair = tuple[str, str]
"""A tenant and a detector."""


def tuned(
    prometheus: Prometheus,
    tenants: Tenants,
    period: Period,
    marks: Sequence[Mark],
    most_a_month: float,
    progress: Callable[[str], None],
) -> tuple[Result, tuple[Choice, ...]]:
    """Return what fires as it is, and a choice for each tenant's detector that fires too often or is marked false.

    Raises BillingWatchError with what to do.
    """
    now = trial.judge(prometheus, [Variant(_AS_IT_IS, tenants)], period, progress)
    loud = _loud(now, marks, most_a_month)
    steps: dict[Pair, tuple[Step, ...]] = {
        pair: ladder.steps(thresholds(tenants, *pair)) if pair[0] in tenants.by_id else () for pair in loud
    }
    asked = [
        variants.for_tenants(tenants.source, str(number), _changes(steps, number))
        for number in range(max(map(len, steps.values()), default=0))
    ]
    then = now
    if asked:
        wanted = {detector for pair, some in steps.items() for detector in pair[1:] if some}
        only = tuple(name for name in period.detectors if name in wanted)
        then = trial.judge(prometheus, asked, replace(period, detectors=only), progress)
    return now, tuple(
        choice(
            *pair,
            [
                tried({}, episodes, episodes, marks, _judged(now, pair)),
                *(
                    tried(step, episodes, _of(then, pair, str(number)), marks, _judged(now, pair))
                    for number, step in enumerate(steps[pair])
                ),
            ],
            most_a_month,
        )
        for pair, episodes in loud.items()
    )


def _loud(now: Result, marks: Sequence[Mark], most_a_month: float) -> dict[Pair, list[Episode]]:
    found: dict[Pair, list[Episode]] = {}
    for pair in sorted({(one.tenant, one.detector) for one in now.episodes}):
        episodes = _of(now, pair, _AS_IT_IS)
        says = [judged.said(marks, one) for one in episodes]
        unconfirmed = len(says) - says.count(judged.CONFIRMED)
        if unconfirmed * _MONTH / _judged(now, pair) > most_a_month or judged.FALSE in says:
            found[pair] = episodes
    return found


def _changes(steps: Mapping[Pair, Sequence[Step]], number: int) -> dict[str, list[Change]]:
    """Return the changes of each tenant at one step; a shorter ladder stays as it is."""
    found: dict[str, list[Change]] = {}
    for (tenant, detector), some in steps.items():
        if number < len(some):
            found.setdefault(tenant, []).extend(
                Change(detector, key, str(value)) for key, value in some[number].items()
            )
    return found


def _of(result: Result, pair: Pair, variant: str) -> list[Episode]:
    return [one for one in result.episodes if (one.tenant, one.detector, one.variant) == (*pair, variant)]


def _judged(result: Result, pair: Pair) -> int:
    tenant = next(one for one in result.tenants if one.tenant == pair[0])
    return result.end_at - tenant.judged_at[pair[1]]
