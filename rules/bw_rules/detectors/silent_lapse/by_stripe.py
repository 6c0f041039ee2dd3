"""Silence by Stripe's list of events: Stripe made one that no webhook brought, and no webhook has arrived since.

It takes an API key and a catch-up that works. Where both are there, nothing else decides, so that a quiet shop is
quiet; where not, it gives no result and knows of no tenant.
"""

from __future__ import annotations

from bw_exporter.config.durations import render as duration
from bw_exporter.metrics import catalog
from bw_rules.detectors.silent_lapse import signals
from bw_rules.toolkit.detector import first_of
from bw_rules.toolkit.promql import HOUR, MINUTE, Recording, Scope, created, indented

LAST = "tenant:billing_last_event_timestamp_seconds:max"
AWAY = "billing:away:until"
ASKED = "tenant:billing_catch_up:asked"
CERTAIN = "tenant:billing_silence_seconds:certain"

CLOCKS_DIFFER = 30
"""A webhook that came so many seconds before Stripe made the event may have come after it: clocks differ."""
TURNS, SLACK = 2, 6 * MINUTE
"""Catch-up is healthy if it succeeded within so many of its intervals and so many seconds."""
INTERVAL = 2 * MINUTE
"""The interval of an exporter that does not tell its own."""
ABSENT, BACK = 2 * MINUTE, 2 * MINUTE
"""The exporter was away where no scrape succeeded for so long; it may take so long to be seen again."""
_AWAY_WITHIN = 12 * HOUR
"""Stripe repeats after minutes and then after hours: so long after an absence most of it has come."""
_RESTORED_WITHIN = 6 * HOUR
"""A store restored from a backup has forgotten webhooks; for so long Prometheus is asked for the last one."""


def recordings(scope: Scope) -> tuple[Recording, ...]:
    """Return when each tenant was heard, the exporter's last absence, whose catch-up works, and who is silent."""
    return (
        Recording(LAST, signals.last_event(scope)),
        Recording(AWAY, _away()),
        Recording(ASKED, _asked(scope)),
        Recording(CERTAIN, _certain(scope)),
    )


def decides(by_habit: str, scope: Scope) -> str:
    """Return PromQL for: silent by Stripe's list; or by habit, of tenants whose catch-up does not work."""
    known = scope.beside.recorded(ASKED)
    return (
        f"{scope.recorded(CERTAIN)}\nor on (tenant)\n(\n{indented(by_habit)}\n  unless on (tenant) {known}\n)"
    )


def description(by_habit: str) -> str:
    """Return how many events no webhook brought where Stripe's list decided, else the text of the habit."""
    own = f"{catalog.EVENTS_CAUGHT_UP.name}{{tenant='%s'}}"
    caught = f"max({own}) - (max(last_over_time({own}[1h] offset %.0fs)) or 0 * max({own}))"
    newest = first_of(
        f"time() - max({catalog.STRIPE_NEWEST_EVENT.name}{{tenant='%s'}})", "tenant", form="humanizeDuration"
    )
    missed = first_of(caught, "tenant", "tenant", "$value", "tenant")
    return (
        f"{{{{ with printf \"{CERTAIN}{{tenant='%s'}}\" $labels.tenant | query }}}}"
        "Stripe's list says so: no webhook has arrived for {{ $value | humanizeDuration }} (or never, since it was set "
        f"up), and Stripe made events meanwhile, the newest {newest} ago. Counted without a webhook since: {missed}."
        f"{{{{ else }}}}By habit: {by_habit}{{{{ end }}}}"
    )


def _away() -> str:
    """PromQL for when the exporter could last not be scraped, 0 where it always could."""
    down = f"max_over_time({signals.UP}[{duration(ABSENT)}]) == 0"
    return f"max_over_time(timestamp({down})[{duration(_AWAY_WITHIN)}:{duration(MINUTE)}]) or vector(0)"


def _asked(scope: Scope) -> str:
    """PromQL for the seconds since catch-up succeeded, of tenants whose catch-up works."""
    success = _max(scope, catalog.CATCH_UP_SUCCESS.name)
    interval = _max(scope, catalog.CATCH_UP_INTERVAL.name)
    allowed = f"({interval} or on (tenant) ({INTERVAL} + 0 * {success}))"
    return f"time() - {success}\n<= on (tenant)\n{TURNS} * {allowed} + {SLACK}"


def _certain(scope: Scope) -> str:
    """PromQL for the seconds without a webhook, of tenants for which Stripe made an event meanwhile.

    What it made while the exporter was away is no sign: Stripe repeats it.
    """
    last = f"max_over_time({scope.recorded(LAST)}[{duration(_RESTORED_WITHIN)}])"
    heard = f"({last} or on (tenant) {created(scope)})"
    newest = f"({_max(scope, catalog.STRIPE_NEWEST_EVENT.name)} > on () group_left () ({AWAY} + {BACK}))"
    return (
        f"time() - (\n  {heard}\n  < on (tenant) ({newest} - {CLOCKS_DIFFER})\n)\n"
        f"and on (tenant) {scope.recorded(ASKED)}"
    )


def _max(scope: Scope, name: str) -> str:
    return f"max by (tenant) ({scope.latest(name)})"
