"""Which alerts' conditions hold for a tenant, as far as the exporter can see; never more than that.

Prometheus alone fires alerts, and alone keeps the past that most of them compare with. The exporter knows the
thresholds in force, what was counted until now, and what rose while it was looking.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bw_exporter.config import durations
from bw_exporter.metrics import catalog
from bw_exporter.monitoring.landing.counts import of
from bw_exporter.monitoring.landing.formats import ago, span
from bw_exporter.monitoring.landing.recent import REFUSED_WINDOW_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from bw_exporter.config.tenants import Tenant
    from bw_exporter.metrics.family import Family
    from bw_exporter.monitoring.landing.counts import Counts
    from bw_exporter.monitoring.landing.recent import Recent

_LEAST_REFUSED = 5
"""As in BillingWebhookRefused."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of one tenant at a moment.

    `not_ready` is why the store takes no writes, or nothing. `endpoint_disabled` is Stripe's word, where the tenant's
    API key may read it.
    """

    tenant: Tenant
    found: Counts
    recent: Recent
    now: int
    not_ready: str = ""
    last_reload_successful: bool = True
    endpoint_disabled: bool = False


@dataclass(frozen=True, slots=True)
class Holding:
    """An alert whose condition holds, and why."""

    alert: str
    severity: str
    why: str


@dataclass(frozen=True, slots=True)
class Alerts:
    """Alerts by what the exporter sees of them: the condition holds, or does not, or only Prometheus can tell."""

    holding: tuple[Holding, ...]
    clear: tuple[str, ...]
    unseen: tuple[str, ...]


def alerts(seen: Seen) -> Alerts:
    """Judge each alert of a tenant that is not off."""
    verdicts: list[tuple[str, str, str | None]] = []
    for detector, thresholds in seen.tenant.detectors.items():
        asks_stripe = getattr(thresholds, "ASKS_STRIPE", False)  # a tenant without a key has no answer of it
        if getattr(thresholds, "enabled", True) and (seen.tenant.api_key or not asks_stripe):
            judge = _DETECTORS.get(detector, _unseen)
            severity = str(getattr(thresholds, "severity", "warning"))
            verdicts.append((alert_of(detector), severity, judge(seen, thresholds)))
    verdicts += [(alert, severity, judge(seen)) for alert, severity, judge in _EXPORTER_ALERTS]
    return Alerts(
        tuple(Holding(alert, severity, why) for alert, severity, why in verdicts if why),
        tuple(alert for alert, _, why in verdicts if why == ""),
        tuple(alert for alert, _, why in verdicts if why is None),
    )


def alert_of(detector: str) -> str:
    """Return the name of a detector's alert."""
    return "Billing" + "".join(word.capitalize() for word in detector.split("_"))


# Each judge returns why the condition holds, an empty text where it does not, None where only Prometheus can tell.


def _unseen(_seen: Seen, _thresholds: Any) -> None:  # noqa: ANN401 - a detector's own
    """Judge nothing."""


def _found(last: Family, words: str) -> Callable[[Seen, Any], str | None]:
    def judge(seen: Seen, thresholds: Any) -> str | None:  # noqa: ANN401
        hold = _whole(thresholds, "hold")
        if hold is None:
            return None
        at = of(seen.found, last)
        stands = at and seen.now - at < hold
        return f"{words} {ago(at, seen.now)}; this stands for {durations.render(hold)}." if stands else ""

    return judge


def _silence(seen: Seen, thresholds: Any) -> str | None:  # noqa: ANN401
    limit = _whole(thresholds, "max_silence")
    if limit is None:
        return None
    last = of(seen.found, catalog.LAST_EVENT)
    silent = seen.now - (last or of(seen.found, catalog.TENANT_CREATED))
    if silent <= limit:
        return ""
    since = f"No event has come for {span(silent)}" if last else "No event has come yet"
    return f"{since}; max_silence is {durations.render(limit)}."


def _lag(seen: Seen, thresholds: Any) -> str | None:  # noqa: ANN401
    least, limit, window = (_whole(thresholds, key) for key in ("min_events", "max_lag", "window"))
    if least is None or limit is None or window is None:
        return None
    late = seen.recent.late(seen.tenant, seen.now)
    if late < least:
        return "" if seen.recent.knows_lag_since(seen.now - window) else None
    return (
        f"{late:,} {'event' if late == 1 else 'events'} within {durations.render(window)} took more than "
        f"{durations.render(limit)} to arrive; this fires from {least:,}."
    )


def _endpoint(seen: Seen, _thresholds: Any) -> str | None:  # noqa: ANN401
    if seen.endpoint_disabled:
        return "Stripe has disabled the tenant's webhook endpoint, or it is gone."
    return "" if of(seen.found, catalog.ENDPOINT_ENABLED) else None


def _catch_up(seen: Seen, thresholds: Any) -> str | None:  # noqa: ANN401
    after = _whole(thresholds, "after")
    recent = after is not None and seen.now - of(seen.found, catalog.CATCH_UP_SUCCESS) <= after
    return "" if recent else None  # whether turns failed within the last hour is not known here


def _refused(seen: Seen) -> str | None:
    refused = seen.recent.refused(seen.tenant.id, seen.now)
    since = seen.now - REFUSED_WINDOW_SECONDS
    if refused < _LEAST_REFUSED:
        return "" if 0 < seen.recent.since_at <= since else None
    if of(seen.found, catalog.LAST_EVENT) > since:
        return None  # valid events came too, and how many is not known here
    return f"{refused:,} requests within {durations.render(REFUSED_WINDOW_SECONDS)} were refused, and none accepted."


def _store_errors(seen: Seen) -> str:
    return f"The store takes no writes: {seen.not_ready}" if seen.not_ready else ""


def _reload_failed(seen: Seen) -> str:
    return (
        ""
        if seen.last_reload_successful
        else "tenants.yaml could not be loaded; the last good one is in force."
    )


def _whole(thresholds: Any, key: str) -> int | None:  # noqa: ANN401
    """Return a threshold that is a fixed number; None for one that follows the tenant's own past."""
    value = getattr(thresholds, key, None)
    return value if isinstance(value, int) else None


_DETECTORS: Mapping[str, Callable[[Seen, Any], str | None]] = {
    "duplicate_charge": _found(catalog.LAST_DUPLICATE, "A duplicate charge was found"),
    "invoice_mismatch": _found(catalog.LAST_MISMATCH, "A mismatched invoice was found"),
    "silent_lapse": _silence,
    "webhook_lag": _lag,
    "endpoint_disabled": _endpoint,
    "catch_up_failing": _catch_up,
}

_EXPORTER_ALERTS: tuple[tuple[str, str, Callable[[Seen], str | None]], ...] = (
    ("BillingWebhookRefused", "warning", _refused),
    ("BillingStoreErrors", "critical", _store_errors),
    ("BillingConfigReloadFailed", "warning", _reload_failed),
)
