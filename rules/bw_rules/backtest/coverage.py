"""From when on each tenant can be judged, by what a running Prometheus has of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bw_exporter.config.durations import render as duration
from bw_exporter.errors import BillingWatchError
from bw_exporter.metrics.catalog import TENANT_CREATED
from bw_rules.detectors import DETECTORS
from bw_rules.groups.profiles import Pasts
from bw_rules.toolkit.promql import DAY, HOUR, quoted

if TYPE_CHECKING:
    from bw_exporter.config.tenants import Tenants
    from bw_rules.backtest.variants import Variant
    from bw_rules.prometheus import Prometheus
    from bw_rules.toolkit.thresholds import Base

WEEK = 7 * DAY
_LEAST_PAST = WEEK + DAY + HOUR
"""What a detector needs before it is judged, however far back it looks: a week to compare with, and a window."""
_STEP = 3 * HOUR


@dataclass(frozen=True, slots=True)
class Coverage:
    """A tenant whose past begins at `known_at`; each detector is judged from its moment in `judged_at` on.

    `created_at` is when the exporter first knew the tenant. Times are Unix seconds. A detector that needs more past
    than there is, or is off, is left out.
    """

    tenant: str
    created_at: int
    known_at: int
    judged_at: Mapping[str, int]


def coverage(
    prometheus: Prometheus,
    variants: Sequence[Variant],
    detectors: Iterable[str],
    job: str,
    tenant: str | None,
    *,
    first_at: int,
    since_at: int,
    until_at: int,
) -> tuple[Coverage, ...]:
    """Return what can be judged between `since_at` and `until_at`; `first_at` is the first moment that is read.

    Raises BillingWatchError, with what to do, where that is nothing.
    """
    own = f",tenant={quoted(tenant)}" if tenant else ""
    selector = f"{TENANT_CREATED.name}{{job={quoted(job)}{own}}}"
    query = f"max by (tenant) (last_over_time({selector}[{duration(_STEP)}]))"
    series = prometheus.range(query, first_at, until_at, _STEP)
    if not series:
        raise BillingWatchError(_nothing(prometheus, job, tenant, until_at))
    needs = _Needs(variants, tuple(detectors))
    found = []
    for one in series:
        name, known_at = str(one["metric"].get("tenant", "")), int(one["values"][0][0])
        if known_at > first_at:  # since some moment of the step before
            known_at = _first(prometheus, selector, name, known_at)
        judged_at = {
            detector: max(since_at, known_at + needed)
            for detector, needed in needs.of(name)
            if known_at + needed < until_at
        }
        created_at = int(float(one["values"][-1][1]))
        found.append(Coverage(name, created_at, known_at, judged_at))
    if not any(one.judged_at for one in found):
        raise BillingWatchError(_short(prometheus, found, needs, until_at))
    return tuple(sorted(found, key=lambda one: one.tenant))


def weeks(settings: Base, past_seconds: int) -> int | None:
    """Return with how many weeks a tenant with so much past is compared; None where the past makes no difference."""
    return min(past_seconds // WEEK, settings.weeks) if settings.reads_past else None


def thresholds(tenants: Tenants, tenant: str, detector: str) -> Base:
    """Return a tenant's thresholds as they are read for it; those of the defaults where the file lacks it."""
    known = tenants.by_id.get(tenant)
    return Pasts().of_tenant(known, detector) if known else Pasts().of_defaults(tenants, detector)


class _Needs:
    """How much past the detectors of a tenant need before they are judged (seconds)."""

    def __init__(self, variants: Sequence[Variant], detectors: tuple[str, ...]) -> None:
        self._variants, self._detectors = variants, detectors

    def of(self, tenant: str) -> Iterator[tuple[str, int]]:
        for detector in self._detectors:
            some = [thresholds(variant.tenants, tenant, detector) for variant in self._variants]
            reaches = [DETECTORS[detector].reach(one) for one in some if one.enabled]
            if reaches:
                yield detector, min(max(reaches), _LEAST_PAST)


def _first(prometheus: Prometheus, selector: str, tenant: str, at: int) -> int:
    """Return the first moment (Unix seconds) of a tenant in the step before `at`."""
    one = selector.replace("}", f",tenant={quoted(tenant)}}}")
    answer = prometheus.instant(
        f"min(min_over_time(timestamp({one})[{duration(_STEP)}:1m]) or timestamp({one}))", at
    )
    return int(float(answer[0]["value"][1])) if answer else at


def _short(prometheus: Prometheus, found: Sequence[Coverage], needs: _Needs, until_at: int) -> str:
    most = max(until_at - one.known_at for one in found)
    least = min((needed for one in found for _, needed in needs.of(one.tenant)), default=0)
    if not least:
        return "every detector that is asked for is off; give another --detector, or turn it on with --set"
    return (
        f"{prometheus.shown}: has {most / DAY:.1f} days of billing series; the detectors need at least "
        f"{least / DAY:.1f} days before they are judged. Wait until it has more, let Prometheus keep more "
        "(--storage.tsdb.retention.time), or try them on a made-up past (bw-rules record)"
    )


def _nothing(prometheus: Prometheus, job: str, tenant: str | None, at: int) -> str:
    if tenant:
        return (
            f"{prometheus.shown}: has no series of tenant {tenant} and job {job} in this time; has it been scraped "
            "since the tenant was added?"
        )
    others = prometheus.instant(f"count by (job) (last_over_time({TENANT_CREATED.name}[1d]))", at)
    jobs = [str(one["metric"].get("job", "")) for one in others]
    if jobs:
        return f"{prometheus.shown}: has no billing series of job {job}; give --job {' or '.join(jobs)}"
    return (
        f"{prometheus.shown}: has no billing series (billing_…); give the Prometheus that scrapes bw-exporter, or let "
        "this one scrape it"
    )
