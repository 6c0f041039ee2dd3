"""Which alerts inhibit others: an alert is held back only from receivers that get the alert about its cause."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bw_exporter.config.alerting.receivers import SEVERITIES
from bw_rules.detectors import DETECTORS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bw_exporter.config.tenants import Tenants

SHARD = "shard"
"""The external label of a Prometheus that watches one of several exporters; where none has it, all are equal."""

_LAPSE, _DROP = "silent_lapse", "revenue_drop"
_DOWN = ['alertname="BillingExporterDown"', 'detector="watchdog"']
_SOURCES = (_DOWN, [f'alertname="{DETECTORS[_LAPSE].alert}"', f'detector="{_LAPSE}"'])


def rules(tenants: Tenants) -> list[dict[str, Any]]:
    """Return the inhibitions.

    While no exporter can be reached, what the detectors say is not knowledge. While Stripe is silent no revenue
    comes, so the drop is no news to those who receive the silence; and they receive it as urgently, or a warning
    would hide a critical alert.
    """
    whose = _matcher(tenants)
    return [*([] if whose is None else [_silence(whose)]), _down()]


def _silence(whose: list[str]) -> dict[str, Any]:
    drop = [f'alertname="{DETECTORS[_DROP].alert}"', f'detector="{_DROP}"', *whose]
    return {"source_matchers": _SOURCES[1], "target_matchers": drop, "equal": ["tenant", SHARD]}


def _down() -> dict[str, Any]:
    names = "|".join(sorted(one.alert for one in DETECTORS.values()))
    targets = [f'alertname=~"{names}"', 'detector=~".+"']
    return {"source_matchers": _DOWN, "target_matchers": targets, "equal": [SHARD]}


def is_ours(source_matchers: list[str]) -> bool:
    """Whether an inhibition with these sources was made here."""
    return source_matchers in _SOURCES


def _matcher(tenants: Tenants) -> list[str] | None:
    """Return matchers of the tenants whose silence is as severe as their drop; None where there are none.

    A tenant that is not in the file yet has the defaults.
    """
    found: dict[bool, list[str]] = {True: [], False: []}
    for tenant in tenants.all:
        found[_as_severe(tenant.detectors)].append(tenant.id)
    if _as_severe(tenants.default_detectors):
        return [f'tenant!~"{"|".join(found[False])}"'] if found[False] else []
    return [f'tenant=~"{"|".join(found[True])}"'] if found[True] else None


def _as_severe(detectors: Mapping[str, Any]) -> bool:
    """Whether whoever receives the drop receives the silence too, at the same or a higher severity.

    A receiver takes all severities from its `min_severity` up, so comparing the two severities says both.
    """
    lapse, drop = detectors[_LAPSE].severity, detectors[_DROP].severity
    return SEVERITIES.index(lapse) <= SEVERITIES.index(drop)
