"""Judges rules on what a running Prometheus has: every alert that would have fired, and when."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bw_exporter.errors import BillingWatchError
from bw_rules.backtest import blocks, firing, server, template
from bw_rules.backtest.blocks import Stretch
from bw_rules.backtest.coverage import Coverage, coverage, thresholds, weeks
from bw_rules.backtest.plan import CLOCK, AlertQuery, Plan, plan
from bw_rules.groups.rule import INTERVAL_SECONDS
from bw_rules.prometheus import Prometheus
from bw_rules.toolkit.promql import DAY
from bw_rules.web import redacted

if TYPE_CHECKING:
    from bw_rules.backtest.variants import Variant

_HIDDEN_LABELS = frozenset({"__name__", "tenant"})
_MOST_POINTS = 10_000

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Episode:
    """An alert that would have fired from `begin_at` on and no longer at `end_at` (Unix seconds).

    `end_at` is None where it still fires. `labels` are those of the series beside the tenant. `value` and
    `description` are the alert's as it began, `weeks` how many weeks of past it was compared with; None where the past
    makes no difference.
    """

    variant: str
    detector: str
    alert: str
    tenant: str
    labels: Labels
    severity: str
    begin_at: int
    end_at: int | None
    value: float
    weeks: int | None
    description: str


@dataclass(frozen=True, slots=True)
class Result:
    """All that would have fired between two moments (Unix seconds)."""

    start_at: int
    end_at: int
    variants: tuple[str, ...]
    detectors: tuple[str, ...]
    tenants: tuple[Coverage, ...]
    episodes: tuple[Episode, ...]


@dataclass(frozen=True, slots=True)
class Period:
    """What is judged: since when (Unix seconds), whose alerts, of which detectors, scraped as which job.

    Rules are evaluated every `interval` seconds, and every `before_step` seconds (0: as often) where only what they
    record is looked back on.
    """

    since_at: int
    until_at: int
    detectors: tuple[str, ...]
    job: str
    tenant: str | None = None
    interval: int = INTERVAL_SECONDS
    before_step: int = 0


def judge(
    prometheus: Prometheus, variants: Sequence[Variant], period: Period, progress: Callable[[str], None]
) -> Result:
    """Judge every variant's alerts; raises BillingWatchError with what to do."""
    for name in ("promtool", "prometheus"):
        server.tool(name)
    made = plan(variants, period.detectors, period.job, period.tenant, period.interval)
    tenants = coverage(
        prometheus,
        variants,
        period.detectors,
        period.job,
        period.tenant,
        first_at=period.since_at - made.reach,
        since_at=period.since_at,
        until_at=period.until_at,
    )
    judged_at = [moment for one in tenants for moment in one.judged_at.values()]
    start_at = min(judged_at) // period.interval * period.interval
    made = made.for_tenants_older_than(start_at - made.reach - max(one.created_at for one in tenants))
    # All is evaluated at the same moments, so that what is recorded at each is found at the very moment, or has ended.
    lookback = max(period.interval - 1, 1)
    progress(f"{(period.until_at - start_at) / DAY:.1f} days of {len(tenants)} tenants")
    with tempfile.TemporaryDirectory(prefix="bw-rules-") as folder:
        data = Path(folder) / "data"
        data.mkdir()
        try:
            blocks.write_recorded(
                data,
                [[*made.scraped, *(made.passes[0] if made.passes else ())], *made.passes[1:]],
                _stretches(min(one.known_at for one in tenants), start_at, period),
                start_at,
                tell=progress,
                first_from=prometheus.url,
                lookback_seconds=lookback,
            )
        except BillingWatchError as error:
            raise BillingWatchError(redacted(str(error), prometheus.url)) from error
        with server.answering(data, lookback) as url:
            fired = _fired(url, made, tenants, start_at, period, progress)
        with server.answering(data) as url:  # annotations read what is recorded every five minutes, too
            found = [_episode(url, one, variants, tenants) for one in fired]
    names = tuple(variant.name for variant in variants)
    order = {name: place for place, name in enumerate(names)}
    found.sort(key=lambda one: (one.begin_at, one.tenant, one.alert, one.labels, order[one.variant]))
    return Result(start_at, period.until_at, names, period.detectors, tenants, tuple(found))


def _stretches(known_at: int, start_at: int, period: Period) -> list[Stretch]:
    """Return how the past is recorded: before what is judged, and with it."""
    if period.before_step in (0, period.interval):
        return [Stretch(known_at, period.until_at, period.interval)]
    return [
        Stretch(known_at, start_at - period.interval, period.before_step),
        Stretch(start_at - period.interval, period.until_at, period.interval),
    ]


@dataclass(frozen=True, slots=True)
class _Fired:
    """An alert of a rule fired: `first_at` is the moment of the evaluation at which it began."""

    rule: AlertQuery
    labels: Labels
    first_at: float
    end_at: int | None
    value: float


def _fired(
    url: str,
    made: Plan,
    tenants: Iterable[Coverage],
    start_at: int,
    period: Period,
    progress: Callable[[str], None],
) -> list[_Fired]:
    judged_at = {(one.tenant, name): at for one in tenants for name, at in one.judged_at.items()}
    same: dict[str, list[AlertQuery]] = {}
    for one in made.alerts:  # what two variants have in common is asked for once
        same.setdefault(one.expr, []).append(one)
    first = server.first_moment(url, CLOCK, start_at, period.until_at)
    found: list[_Fired] = []
    with ThreadPoolExecutor(2) as pool:
        answers = pool.map(lambda expr: _points(url, expr, first, period), same)
        for number, (rules, series) in enumerate(zip(same.values(), answers, strict=True), 1):
            for rule in rules:
                for labels, points in series.items():
                    since_at = judged_at.get((dict(labels).get("tenant", ""), rule.detector))
                    if since_at is not None:
                        found += _times(rule, labels, points, since_at, period)
            progress(f"alert rule {number} of {len(same)}: {rules[0].alert.name}")
    return found


def _episode(url: str, fired: _Fired, variants: Sequence[Variant], tenants: Iterable[Coverage]) -> Episode:
    rule, labels, begin_at = fired.rule, dict(fired.labels), int(fired.first_at)
    tenant = next(one for one in tenants if one.tenant == labels["tenant"])
    variant = next(one for one in variants if one.name == rule.variant)
    return Episode(
        rule.variant,
        rule.detector,
        rule.alert.name,
        tenant.tenant,
        tuple(pair for pair in fired.labels if pair[0] not in _HIDDEN_LABELS),
        dict(rule.alert.labels)["severity"],
        begin_at,
        fired.end_at,
        fired.value,
        weeks(thresholds(variant.tenants, tenant.tenant, rule.detector), begin_at - tenant.known_at),
        _description(url, rule, labels, fired.value, fired.first_at),
    )


def _points(url: str, expr: str, first_at: float, period: Period) -> dict[Labels, dict[float, float]]:
    """Return the value at each moment at which the condition holds, of each series."""
    found: dict[Labels, dict[float, float]] = {}
    steps = int(period.until_at - first_at) // period.interval
    for step in range(0, steps + 1, _MOST_POINTS):
        begin_at = first_at + step * period.interval
        end_at = first_at + min(step + _MOST_POINTS - 1, steps) * period.interval
        for one in server.query_range(url, expr, begin_at, end_at, period.interval):
            points = found.setdefault(tuple(sorted(one["metric"].items())), {})
            points.update((float(moment), float(value)) for moment, value in one["values"])
    return found


def _times(
    rule: AlertQuery, labels: Labels, points: Mapping[float, float], judged_at: int, period: Period
) -> Iterator[_Fired]:
    """Yield each time the alert fired for one series."""
    moments = {int(moment): moment for moment in sorted(points) if moment >= judged_at}
    for lasting in firing.episodes(
        moments,
        period.interval,
        for_=rule.alert.for_,
        keep_firing_for=rule.alert.keep_firing_for,
        until_at=period.until_at + period.interval,
    ):
        first_at = moments[lasting.begin_at]
        end_at = lasting.end_at if lasting.end_at <= period.until_at else None
        yield _Fired(rule, labels, first_at, end_at, points[first_at])


def _description(url: str, one: AlertQuery, labels: Mapping[str, str], value: float, at: float) -> str:
    def ask(query: str) -> list[template.Sample]:
        return [
            template.Sample(series["metric"], float(series["value"][1]))
            for series in server.query(url, query, at)
        ]

    try:
        return template.expand(one.description, {**dict(one.alert.labels), **labels}, value, ask)
    except BillingWatchError:  # a detector of the user's own may be written in more than is known here
        return dict(one.alert.annotations)["summary"]
