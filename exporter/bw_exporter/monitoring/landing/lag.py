"""How long Stripe's events took to arrive, from the histogram's buckets: exact counts, never estimates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bw_exporter.config import durations
from bw_exporter.config.check_settings import WebhookLagSettings, in_force
from bw_exporter.metrics.catalog import LAG_BUCKETS_SECONDS, WEBHOOK_LAG

if TYPE_CHECKING:
    from bw_exporter.config.tenants import Tenant
    from bw_exporter.monitoring.landing.counts import Counts

_SUM, _COUNT, _BUCKET = (f"{WEBHOOK_LAG.name}_{part}" for part in ("sum", "count", "bucket"))


@dataclass(frozen=True, slots=True)
class OnTime:
    """How many of all first deliveries came within a limit."""

    limit: str
    within: int
    count: int


@dataclass(frozen=True, slots=True)
class Band:
    """Events between two buckets' bounds; `late` where they are above the tenant's max_lag."""

    words: str
    count: int
    late: bool


@dataclass(frozen=True, slots=True)
class Lag:
    """The whole distribution of one tenant; `mean_seconds` is rounded down."""

    on_time: OnTime
    mean_seconds: int
    bands: tuple[Band, ...]


def on_time(tenant: Tenant, found: Counts) -> OnTime | None:
    """Return the share within the tenant's max_lag, None while nothing has come."""
    count = found.get((_COUNT, ()), 0)
    limit = max_lag(tenant)
    return OnTime(durations.render(limit), _up_to(found, limit), count) if count else None


def lag(tenant: Tenant, found: Counts) -> Lag | None:
    """Return the distribution, up to the last band that holds anything; None while nothing has come."""
    share = on_time(tenant, found)
    if share is None:
        return None
    bands, before, lower = list[Band](), 0, ""
    limit = max_lag(tenant)
    for bound in LAG_BUCKETS_SECONDS:
        upper, until = durations.render(bound), _up_to(found, bound)
        words = f"{lower} to {upper}" if lower else f"up to {upper}"
        bands.append(Band(words, until - before, bound > limit))
        before, lower = until, upper
    bands.append(Band(f"above {lower}", share.count - before, late=True))
    while not bands[-1].count:
        bands.pop()
    return Lag(share, found.get((_SUM, ()), 0) // share.count, tuple(bands))


def _up_to(found: Counts, bound: int) -> int:
    return found.get((_BUCKET, (f"{bound:.1f}",)), 0)


def late_events(found: Counts, limit: int) -> int:
    """Return how many events ever took longer than `limit` seconds, which is the bound of a bucket."""
    return found.get((_COUNT, ()), 0) - _up_to(found, limit)


def max_lag(tenant: Tenant) -> int:
    """Return the lag in seconds that an event of the tenant may have."""
    return in_force(tenant.detectors, "webhook_lag", WebhookLagSettings).max_lag


def lag_window(tenant: Tenant) -> int:
    """Return the seconds within which the tenant's late events are counted."""
    return in_force(tenant.detectors, "webhook_lag", WebhookLagSettings).window
