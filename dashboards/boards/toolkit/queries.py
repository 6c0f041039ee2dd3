"""PromQL for people: replicas collapsed, counts exact, money in whole units.

Replicas share a store and so tell the same totals, hence `max` before any `sum`. A count is the difference
of a durable counter at two moments, as in the rules: `increase()` makes 1.017 of one dispute, and 0 of a
series that was born with it.
"""

from __future__ import annotations

from dataclasses import dataclass

from bw_exporter.metrics import catalog
from bw_rules.detectors.silent_lapse import UP
from bw_rules.toolkit import rise as toolkit

JOB = 'job=~"$job"'
INSTANCE = 'instance=~"$instance"'
ONE = 'tenant="$tenant"'
"""Matcher of the Tenant dashboard."""
SOME = 'tenant=~"$tenant"'
"""Matcher of the dashboards that show several tenants."""
CURRENCY = 'currency="$currency"'
FIRING = 'alertstate="firing"'
DETECTORS = 'detector!="watchdog",detector!=""'
SCRAPED = f"{UP} == 1"
"""Some replica is reached: without one, no detector fires of what it does not see."""
WATCHDOG = 'detector="watchdog",severity!="info"'


@dataclass(frozen=True, slots=True)
class Window:
    """A length of time, as PromQL's duration and as its number of seconds."""

    duration: str
    seconds: str


STEP = Window("$__interval", "$__interval_ms / 1000")
"""The distance of two points of a panel, so that bars neither overlap nor leave anything out."""
HOUR = Window("1h", "3600")
DAY = Window("1d", "86400")


def raw(name: str, *matchers: str) -> str:
    """Return the selector of an exported series."""
    return f"{name}{{{','.join((JOB, *matchers))}}}"


def latest(name: str, by: str, *matchers: str) -> str:
    """Return an exported series with its replicas collapsed; `by` begins with `tenant` where there is one."""
    return f"max by ({by}) ({raw(name, *matchers)})"


def recorded(name: str, *matchers: str) -> str:
    """Return the selector of a recorded series, which has no job."""
    return f"{name}{{{','.join(matchers)}}}"


def rise(name: str, by: str, window: Window, *matchers: str, total: str = "") -> str:
    """Return how much an exported counter rose within the window, by `by` (tenant first).

    A series that was not there at the start, of a tenant that Prometheus knew then or that is younger, began
    at 0; of any other tenant nothing is said. `total` are labels to sum the differences by.
    """
    difference = toolkit.rise(name, by, window.duration, window.seconds, JOB, *matchers)
    return f"sum by ({total}) (\n{difference}\n)" if total else difference


def recorded_rise(name: str, window: Window, *matchers: str, by: str = "tenant") -> str:
    """Return how much a recorded counter (`tenant:…:max`) rose within the window."""
    now = recorded(name, *matchers)
    then = f"last_over_time({now}[1h] offset {window.duration})"
    return toolkit.difference(now, then, by, window.duration, window.seconds, JOB, *matchers)


def whole_units(minor: str, *matchers: str) -> str:
    """Return minor units of a currency as whole ones."""
    units = latest(catalog.CURRENCY_MINOR_UNITS.name, "currency", *matchers)
    return f"(\n{minor}\n)\n/ on (currency) group_left ()\n{units}"


def revenue_between(name: str, start: str, end: str, tenant: str, currency: str) -> str:
    """Return revenue in minor units from `start` to `end` ago (durations; an empty end is now).

    `tenant` and `currency` are matchers. A currency that was not there at the start, of a tenant that was
    recorded then, began at 0; a past nobody knows gives no result, for revenue is never compared with an
    invented zero.
    """
    series = recorded(name, tenant, currency)
    until = f"last_over_time({series}[1h] offset {end})" if end else series
    return _earned(until, series, recorded(name, tenant), f" offset {start}")


def revenue_so_far(name: str, ago: str, tenant: str, currency: str) -> str:
    """Return revenue since the panel's range began, or since the same moment `ago`, by currency."""
    offset = f" offset {ago}" if ago else ""
    series = recorded(name, tenant, currency)
    earned = _earned(f"{series}{offset}", series, recorded(name, tenant), f"{offset} @ start()")
    return f"sum by (currency) (\n{earned}\n)"


def _earned(until: str, series: str, tenants: str, start: str) -> str:
    then = f"last_over_time({series}[1h]{start})"
    known = f"last_over_time({tenants}[1h]{start})"
    return (
        f"{until}\n- on (tenant, currency) (\n  {then}\n  or on (tenant, currency)\n"
        f"  (0 * {until} and on (tenant) {known})\n)"
    )


def silence(*matchers: str) -> str:
    """Return seconds since the last event of each tenant, or since its beginning where none ever came."""
    last = f"max by (tenant) ({raw(catalog.LAST_EVENT.name, *matchers)} > 0)"
    created = latest(catalog.TENANT_CREATED.name, "tenant", *matchers)
    return f"time() - (\n{last}\nor on (tenant)\n{created}\n)"


def firing_since(*matchers: str) -> str:
    """Return, for every firing alert, the time in milliseconds since which its condition holds."""
    labels = ",".join(matchers)
    return f"1000 * ALERTS_FOR_STATE{{{labels}}}\nand ignoring (alertstate)\nALERTS{{{FIRING},{labels}}}"


def firing_count(by: str, *matchers: str, watched: str = "") -> str:
    """Return how many values of `by` have a firing alert, 0 included; nothing where no rules are loaded.

    `watched` is what must hold for 0 to mean that all is well: without it nothing is known.
    """
    firing = f"ALERTS{{{','.join((FIRING, *matchers))}}}"
    zero = f"(vector(0) and on () ({watched}))" if watched else "vector(0)"
    return (
        f"(\n  count(count by ({by}) ({firing}))\n  or {zero}\n)\n"
        f'and on () ALERTS{{{FIRING},alertname="BillingWatchdog"}}'
    )


def mean_lag(window: Window, *matchers: str) -> str:
    """Return the mean lag in seconds of the events that came within the window; nothing where none came."""
    lag = catalog.WEBHOOK_LAG.name
    total = rise(f"{lag}_sum", "tenant", window, *matchers)
    count = rise(f"{lag}_count", "tenant", window, *matchers)
    return f"{total}\n/ on (tenant)\n(\n{count}\n> 0)"


def rate(name: str, by: str, *matchers: str) -> str:
    """Return how fast an exported counter rises a second; for busy counters alone, as it is extrapolated."""
    return f"max by ({by}) (rate({raw(name, *matchers)}[$__rate_interval]))"
