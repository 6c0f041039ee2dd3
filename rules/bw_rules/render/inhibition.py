"""What stays quiet beside what: an alert is held back only from those who hear of its cause."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bw_exporter.config.receivers import SEVERITIES
from bw_rules.detectors import DETECTORS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bw_exporter.config.receivers import Receiver, Severity
    from bw_exporter.config.tenants import Tenants

SHARD = "shard"
"""The external label of a Prometheus that watches one of several exporters; where none has it, all are equal."""

_LAPSE, _DROP = "silent_lapse", "revenue_drop"
_DOWN = ['alertname="BillingExporterDown"', 'detector="watchdog"']
_SOURCES = (_DOWN, [f'alertname="{DETECTORS[_LAPSE].alert}"', f'detector="{_LAPSE}"'])


def rules(tenants: Tenants, others: Iterable[str]) -> list[dict[str, Any]]:
    """Return the inhibitions; `others` are the receivers of tenants that name none.

    While no exporter can be reached, what the detectors say is not knowledge. While Stripe is silent no revenue
    comes, so its drop is no news; but a receiver with a `min_severity` above the silence's is told of the drop, or
    it would be told nothing.
    """
    whose = _told_of_silence(tenants, tuple(others))
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


def _told_of_silence(tenants: Tenants, others: tuple[str, ...]) -> list[str] | None:
    """Return matchers of the tenants all of whose receivers of a drop are told of silence too; None for none.

    A tenant that is not in the file yet has the defaults; where they name no receivers, it is heard by `others`.
    """
    told: dict[bool, list[str]] = {True: [], False: []}
    for tenant in tenants.all:
        heard = [tenants.receivers[name] for name in tenant.notify or others]
        told[_all_told(heard, tenant.detectors)].append(tenant.id)
    later = [tenants.receivers[name] for name in tenants.default_notify or others]
    if _all_told(later, tenants.default_detectors):
        return [f'tenant!~"{"|".join(told[False])}"'] if told[False] else []
    return [f'tenant=~"{"|".join(told[True])}"'] if told[True] else None


def _all_told(receivers: Iterable[Receiver], detectors: Mapping[str, Any]) -> bool:
    lapse, drop = detectors[_LAPSE].severity, detectors[_DROP].severity
    return all(hears(one, lapse) for one in receivers if hears(one, drop))


def hears(receiver: Receiver, severity: Severity) -> bool:
    """Whether alerts of that severity reach the receiver."""
    return SEVERITIES.index(severity) <= SEVERITIES.index(receiver.min_severity)
