"""How far back the rules of each tenant look, and the alert that says where Prometheus does not know as much."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from bw_exporter.config.durations import render as duration
from bw_rules.detectors import DETECTORS
from bw_rules.groups.exporter_alerts import EVENTS, ExporterAlert
from bw_rules.groups.profiles import Pasts
from bw_rules.toolkit.detector import Runbook
from bw_rules.toolkit.promql import DAY, HOUR, Scope, created, tenants_matcher

if TYPE_CHECKING:
    from collections.abc import Callable

    from bw_exporter.config.tenants import Tenants
    from bw_rules.toolkit.thresholds import Base

NAME = "BillingHistoryMissing"


@dataclass(frozen=True, slots=True)
class Reach:
    """How far back (seconds) the rules of the tenants look that the matcher names; `profile` tells rules apart."""

    seconds: int
    matcher: str = ""
    profile: str = "default"


USUAL = Reach(8 * DAY)
"""What the built-in thresholds ask for."""


def reaches(tenants: Tenants) -> tuple[Reach, ...]:
    """Return every distinct reach: that of the defaults for all tenants but those that look back otherwise."""
    over = Pasts()
    default = _reach(lambda name: over.of_defaults(tenants, name))
    others: dict[int, list[str]] = {}
    for tenant in tenants.all:
        if (own := _reach(partial(over.of_tenant, tenant))) != default:
            others.setdefault(own, []).append(tenant.id)
    left_out = sorted(tenant for ids in others.values() for tenant in ids)
    found = [Reach(default, tenants_matcher(left_out, negative=True))]
    found += [
        Reach(own, tenants_matcher(ids), f"reach-{duration(own)}") for own, ids in sorted(others.items())
    ]
    return tuple(reach for reach in found if reach.seconds)


def _reach(thresholds: Callable[[str], Base]) -> int:
    settings = ((DETECTORS[name], thresholds(name)) for name in DETECTORS)
    return max((detector.reach(one) for detector, one in settings if one.enabled), default=0)


def missing(job: str, reach: Reach) -> ExporterAlert:
    """Return the alert about tenants older than what Prometheus knows of them."""
    scope = Scope(job, reach.matcher)
    ago = reach.seconds
    return ExporterAlert(
        NAME,
        "info",
        "Prometheus does not know the past that detectors compare with.",
        f"Prometheus has no record of {{{{ $labels.tenant }}}} from {duration(ago)} ago, so comparisons with "
        "the past say nothing yet. Backfill the recording rules, or wait.",
        f"{created(scope)} < time() - {ago + HOUR}\n"
        f"unless on (tenant)\nlast_over_time({EVENTS.max_name}[{duration(HOUR)}] offset {duration(ago)})",
        Runbook(
            "The exporter has known this tenant for longer than Prometheus has recorded it.",
            "Detectors are more cautious for this tenant until the history is there: BillingRevenueDrop fires from two "
            "weeks on, BillingChargeFailureSpike and BillingFraudSpike compare with one week, BillingSilentLapse "
            "allows a day or two. Each runbook says what its alert does.",
            f"1. Is Prometheus' retention at least {duration(ago + HOUR)}, and longer than the tenant's own "
            "`window` and `baseline` together, where it has `sensitivity: fixed`?\n"
            "2. Were the rules installed only now? Then backfill: "
            "`promtool tsdb create-blocks-from rules --start … billing.rules.yml`.\n"
            "3. Was Prometheus' storage lost? Then wait.",
            "`past: 2w` needs half of the history; with `sensitivity: fixed`, so does a shorter `baseline`.",
        ),
        labels=("tenant",),
        for_=HOUR,
        profile=reach.profile,
    )
