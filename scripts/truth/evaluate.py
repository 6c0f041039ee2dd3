"""When each alert of a rule file would have fired over a fleet's past, by promtool and a real Prometheus."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bw_exporter.config.durations import parse as seconds
from bw_rules.backtest import blocks
from bw_rules.backtest.firing import episodes
from bw_rules.backtest.passes import passes
from bw_rules.backtest.server import answering, query_range
from bw_rules.detectors import DETECTORS
from bw_simulator.fleet.calendar import DAY, Calendar
from bw_simulator.fleet.interruptions import prometheus_away
from bw_simulator.fleet.past import Fleet, Truth, write

EXPORTER_DOWN = "BillingExporterDown"
JUDGED = (
    "charge_failure_spike",
    "duplicate_charge",
    "fraud_spike",
    "revenue_drop",
    "silent_lapse",
    "webhook_lag",
    "invoice_mismatch",
)
"""The detectors that have incidents in the fleet. Those about a Stripe API key are proved on a fake of it."""
ALERTS = {DETECTORS[name].alert: name for name in JUDGED} | {EXPORTER_DOWN: EXPORTER_DOWN}
"""The alerts that are evaluated, and the detector of each; the exporter's own is there as it mutes the others."""
_QUERY_DAYS = 7


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert of a detector fired at a shop from `begin_at` to `end_at` (Unix seconds)."""

    detector: str
    shop: str
    currency: str
    severity: str
    begin_at: int
    end_at: int


def run(
    fleet: Fleet, groups: Sequence[Mapping[str, Any]], *, at_once: int = 2, tell: Callable[[str], None]
) -> tuple[list[Alert], list[Truth], list[str]]:
    """Return the alerts that fired, what was wrong, and a line for each incident that was too small to be seen.

    `groups` are those of a rule file. Raises BillingWatchError where a tool fails.
    """
    rules = [rule for group in groups for rule in group["rules"] if rule.get("alert") in ALERTS]
    with tempfile.TemporaryDirectory(prefix="billingwatch-truth-") as folder:
        past, data = Path(folder) / "past.om", Path(folder) / "data"
        truths, unseen = write(fleet, past)
        tell(f"the past of {len(fleet.shops)} shops is made")
        blocks.write_scraped(past, data)
        past.unlink()
        tell("Prometheus has it")
        ordered = passes(groups, (rule["expr"] for rule in rules))
        start = fleet.calendar.judged_at
        blocks.write_recorded(data, ordered, stretches(fleet.calendar), start, at_once=at_once, tell=tell)
        with answering(data) as url, ThreadPoolExecutor(at_once) as pool:
            found = list(pool.map(lambda rule: _fired(url, rule, fleet.calendar), rules))
        tell(f"{len(rules)} alerting rules are evaluated")
    alerts = sorted({alert for some in found for alert in some}, key=lambda alert: alert.begin_at)
    return alerts, truths, [f"left out, as chance made it too small to be seen: {one}" for one in unseen]


def stretches(calendar: Calendar) -> list[blocks.Stretch]:
    """Return the parts of the past in which rules were evaluated: not while Prometheus was away."""
    habit = blocks.Stretch(
        calendar.begin_at + calendar.habit_step, calendar.judged_at - 1, calendar.habit_step
    )
    away = prometheus_away(calendar)
    last = calendar.end_at - calendar.step
    if away is None:
        return [habit, blocks.Stretch(calendar.judged_at, last, calendar.step)]
    back = away[1] + calendar.step
    return [
        habit,
        blocks.Stretch(calendar.judged_at, away[0], calendar.step),
        blocks.Stretch(back, last, calendar.step),
    ]


def _fired(url: str, rule: Mapping[str, Any], calendar: Calendar) -> list[Alert]:
    """Return when one rule would have fired, evaluated at each step of the judged days."""
    held: dict[tuple[str, str], list[int]] = {}
    for start in range(calendar.judged_at, calendar.end_at, _QUERY_DAYS * DAY):
        end = min(start + _QUERY_DAYS * DAY, calendar.end_at) - calendar.step
        for series in query_range(url, rule["expr"], start, end, calendar.step):
            labels = series["metric"]
            key = (labels.get("tenant", ""), labels.get("currency", ""))
            held.setdefault(key, []).extend(int(at) for at, _ in series["values"])
    found = []
    for (shop, currency), moments in held.items():
        for episode in episodes(
            _while_away(sorted(set(moments)), calendar),
            calendar.step,
            for_=seconds(rule.get("for", "0s")),
            keep_firing_for=seconds(rule.get("keep_firing_for", "0s")),
            until_at=calendar.end_at,
        ):
            severity = rule.get("labels", {}).get("severity", "")
            begin, end = episode.begin_at, episode.end_at
            found.append(Alert(ALERTS[rule["alert"]], shop, currency, severity, begin, end))
    return found


def _while_away(moments: list[int], calendar: Calendar) -> list[int]:
    """Return the moments with a state that lasts while nobody evaluates, whatever could be seen afterwards."""
    away = prometheus_away(calendar)
    if away is None:
        return moments
    begin, end = away[0], away[1] + calendar.step
    outside = [at for at in moments if not begin <= at < end]
    if begin - calendar.step in moments:
        outside += range(begin, end, calendar.step)
    return sorted(outside)
