"""Replicas, tenants and scrapes that come and go, minute by minute, in one run of promtool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bw_rules.groups import build

from .promtool_file import tried
from .thresholds_alone import DEFAULTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bw_exporter.config.tenants import Tenants

MINUTES = 240
DAY = 1440
LONG = (
    DEFAULTS
    + """
tenants:
  t: {webhook_secret: whsec_a}
  month-young: {webhook_secret: whsec_a, detectors: {fraud_spike: {baseline: 28d}}}
  month-old: {webhook_secret: whsec_a, detectors: {fraud_spike: {baseline: 28d}}}
"""
)
FAILURES, ATTEMPTS = 'billing_charge_failures_total|reason="other"', "billing_charge_attempts_total|"
EVENTS = 'billing_events_total|type="other"'
DUPLICATES = "billing_duplicate_charges_total|"
LATE, IN_TIME = "billing_webhook_lag_seconds_count|", 'billing_webhook_lag_seconds_bucket|le="30.0"'
UP = "up|"
OF_REPLICAS = {"BillingExporterReplicaDown"}
CREATED, LAST = "billing_tenant_created_timestamp_seconds|", "billing_last_event_timestamp_seconds|"


@dataclass(frozen=True)
class Story:
    """Series by metric, labels and replica, as (minutes ago, value or None) from then on; and who must be alerted."""

    name: str
    series: dict[tuple[str, str], list[tuple[int, int | None]]]
    firing: frozenset[str] = frozenset()
    tenant: str = ""
    created_minutes_ago: int = 120
    silent: bool = False


def always(value: int | None) -> list[tuple[int, int | None]]:
    return [(MINUTES, value)]


STORIES = (
    Story(
        "the fresher of two replicas goes away a moment after an event",
        {
            (EVENTS, "a"): [(MINUTES, 104), (29, 105)],
            (EVENTS, "b"): [(MINUTES, 104), (31, 105), (30, None)],
        },
    ),
    Story(
        "a scrape that fails while a duplicate, a silence and late events are told of",
        {
            (UP, "a"): [(MINUTES, 1), (0, 0)],
            (DUPLICATES, "a"): [(MINUTES, 0), (20, 1), (0, None)],
            (LATE, "a"): [(MINUTES, 0), (10, 2), (0, None)],
            (IN_TIME, "a"): [(MINUTES, 0), (0, None)],
            (EVENTS, "a"): [(MINUTES, 100), (0, None)],
            (CREATED, "a"): [(MINUTES, -5 * DAY * 60), (0, None)],
            (LAST, "a"): [(MINUTES, -999), (0, None)],
        },
        frozenset({"BillingDuplicateCharge", "BillingSilentLapse", "BillingWebhookLag"}),
    ),
    Story(
        "a pod replaced by another one, and then by a third",
        {
            (UP, "a"): [(MINUTES, 1), (100, None)],
            (UP, "b"): [(MINUTES, None), (101, 1), (40, None)],
            (UP, "c"): [(MINUTES, None), (41, 1)],
            (FAILURES, "a"): [(MINUTES, 4), (100, None)],
            (FAILURES, "b"): [(MINUTES, None), (101, 4), (40, None)],
            (FAILURES, "c"): [(MINUTES, None), (41, 8)],
            (ATTEMPTS, "c"): always(500),
        },
    ),
    Story(
        "one replica down for hours hides no silence from the other",
        {(UP, "a"): always(1), (UP, "b"): [(MINUTES, 1), (200, 0)]},
        frozenset({"BillingSilentLapse", "BillingExporterReplicaDown"}),
        created_minutes_ago=5 * DAY,
        silent=True,
    ),
    Story(
        "a replica that restarts every ten minutes beside one that stays",
        {
            (UP, "a"): always(1),
            (UP, "b"): [(ago - down, down) for ago in range(MINUTES, 0, -10) for down in (0, 1)],
        },
    ),
    Story(
        "a tenant taken out of the file",
        {(metric, "a"): [(MINUTES, 5000), (60, None)] for metric in (FAILURES, ATTEMPTS, EVENTS)}
        | {(metric, "a"): [(MINUTES, -3000), (60, None)] for metric in (CREATED, LAST)},
    ),
    Story(
        "a tenant taken out and put back two hours later",
        {
            (metric, "a"): [(MINUTES, 5000), (200, None), (80, 5003)]
            for metric in (FAILURES, ATTEMPTS, EVENTS)
        },
        created_minutes_ago=5 * DAY,
    ),
    Story(
        "failures that left the window ten minutes ago are still told",
        {(FAILURES, "a"): [(MINUTES, 0), (70, 50)], (ATTEMPTS, "a"): [(MINUTES, 0), (70, 50)]},
        frozenset({"BillingChargeFailureSpike"}),
    ),
    Story(
        "and are told no longer twenty minutes after",
        {(FAILURES, "a"): [(MINUTES, 0), (80, 50)], (ATTEMPTS, "a"): [(MINUTES, 0), (80, 50)]},
    ),
    Story(
        "a store restored from a backup, and then counting on",
        {(EVENTS, "a"): [(MINUTES, 100), (90, 20), (60, 130)]},
        frozenset({"BillingCounterReset"}),
    ),
    Story(
        "an hour's gap in the scrapes while nothing happens",
        {(metric, "a"): [(MINUTES, 900), (130, None), (70, 900)] for metric in (FAILURES, ATTEMPTS, EVENTS)},
    ),
    Story(
        "a tenant of twenty days, unknown to Prometheus",
        {},
        frozenset({"BillingHistoryMissing"}),
        created_minutes_ago=20 * DAY,
    ),
    Story(
        "one whose own thresholds look back longer, too young for it",
        {},
        tenant="month-young",
        created_minutes_ago=20 * DAY,
    ),
    Story(
        "and one old enough",
        {},
        frozenset({"BillingHistoryMissing"}),
        tenant="month-old",
        created_minutes_ago=40 * DAY,
    ),
)


def test_what_comes_and_goes_raises_no_alarm_and_hides_none(
    config: Callable[[str], Tenants], promtool: str, tmp_path: Path
):
    groups = build.groups(config(LONG), build.Settings())
    code, said = tried(promtool, tmp_path, groups, "1m", [told(stories) for stories in together()])
    assert code == 0, said


def together() -> list[list[Story]]:
    """Return the stories that have replicas of their own alone, and all others as tenants of one exporter."""
    alone = [story for story in STORIES if any(metric == UP for metric, _ in story.series)]
    return [*([story] for story in alone), [story for story in STORIES if story not in alone]]


def told(stories: list[Story]) -> dict[str, Any]:
    series = {selector(UP, "a", ""): values(always(1))}
    expected = [{"labels": '{alertname="BillingWatchdog"}', "value": 1}]
    for story in stories:
        tenant = story.tenant or f"t{STORIES.index(story)}"
        heard = always(-999) if story.silent else [(m, 60 * (MINUTES - m)) for m in range(MINUTES, -1, -1)]
        usual = {
            (EVENTS, "a"): always(100),
            (CREATED, "a"): always(60 * (MINUTES - story.created_minutes_ago)),
            (LAST, "a"): heard,
        }
        for (metric, replica), steps in (usual | story.series).items():
            series[selector(metric, replica, tenant)] = values(steps)
        for name in sorted(story.firing):
            whose = "" if name in OF_REPLICAS else f',tenant="{tenant}"'
            expected.append({"labels": f'{{alertname="{name}"{whose}}}', "value": 1})
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": text} for name, text in series.items()],
        "promql_expr_test": [
            {
                "expr": 'count by (alertname, tenant) (ALERTS{alertstate="firing"})',
                "eval_time": f"{MINUTES}m",
                "exp_samples": expected,
            }
        ],
    }


def selector(metric: str, replica: str, tenant: str) -> str:
    name, _, labels = metric.partition("|")
    own = f',tenant="{tenant}"' if name.startswith("billing") else ""
    return f'{name}{{job="billing-exporter",instance="{replica}"{own}{"," if labels else ""}{labels}}}'


def values(steps: list[tuple[int, int | None]]) -> str:
    """Return promtool's notation, a value a minute; a gap is one of no sample, its first a staleness marker."""
    starts = [MINUTES - ago for ago, _ in steps]
    ends = [*starts[1:], MINUTES + 1]
    parts = []
    for (_, value), start, end in zip(steps, starts, ends, strict=True):
        if value is None:
            parts.append(
                "stale" + (f" _x{end - start - 1}" if end - start > 1 else "") if start else f"_x{end}"
            )
        elif end > start:
            parts.append(f"{value}+0x{end - start - 1}")
    return " ".join(parts)
