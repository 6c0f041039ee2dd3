"""An Alertmanager configuration: which receivers get which tenant's alerts, and which alerts inhibit others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from bw_exporter.config.alerting import receiver_fields
from bw_exporter.config.alerting.receivers import NOBODY, SEVERITIES
from bw_exporter.errors import ConfigError
from bw_rules.detectors import DETECTORS
from bw_rules.groups import exporter_alerts, missing_history
from bw_rules.groups.build import JOB
from bw_rules.render import inhibition, messages
from bw_rules.render.yaml_text import dump
from bw_rules.wording import some

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from bw_exporter.config.alerting.receiver_fields import Version
    from bw_exporter.config.alerting.receivers import Receiver
    from bw_exporter.config.tenants import Tenants

_ABOUT_EXPORTER = (one.name for one in exporter_alerts.alerts(JOB))
_ALERTS = sorted([*(one.alert for one in DETECTORS.values()), *_ABOUT_EXPORTER, missing_history.NAME])
OURS = (f'alertname=~"{"|".join(_ALERTS)}"', 'detector=~".+"')
"""Matches our alerts alone in a shared Alertmanager, where those of others may have a label detector too."""


@dataclass(frozen=True, slots=True)
class Routing:
    """The parts of alertmanager.yml that are ours, and remarks for whoever rendered them."""

    routes: list[dict[str, Any]]
    receivers: list[dict[str, Any]]
    inhibit_rules: list[dict[str, Any]]
    remarks: tuple[str, ...]


def routing(tenants: Tenants, version: Version, given: Collection[str] = ()) -> Routing:
    """Return our routes, receivers and inhibitions.

    `given` are the keys under `global:` of the file that they are merged into. Raises ConfigError naming each
    receiver's field that Alertmanager of that version would refuse.
    """
    if refused := receiver_fields.refused(tenants.receivers.values(), version, given):
        raise ConfigError(tenants.source, refused)
    for_exporter, others = _exporter_receivers(tenants)
    routes = [_heartbeat(tenants), _exporter_alerts(tenants, for_exporter), *_tenants(tenants, others)]
    routes += [_to(tenants.receivers[name]) for name in others]
    remarks = _without_receiver(tenants, others)
    if version > receiver_fields.NEWEST:
        newest = receiver_fields.dotted(receiver_fields.NEWEST)
        remarks.append(
            f"fields of receivers were checked against Alertmanager {newest}, the newest known here"
        )
    receivers: list[dict[str, Any]] = [{"name": NOBODY}]
    used = {
        *for_exporter,
        *others,
        *tenants.default_notify,
        tenants.watchdog.heartbeat,
        *(name for each in tenants.all for name in each.notify),
    }
    for receiver in tenants.receivers.values():
        if receiver.name not in used:
            remarks.append(f"receivers.{receiver.name}: nobody names it; left out")
            continue
        config, remark = messages.with_defaults(receiver, given)
        receivers.append({"name": receiver.name, f"{receiver.kind}_configs": [config]})
        remarks += [f"receivers.{receiver.name}.{receiver.kind}: {remark}"] if remark else []
    return Routing(routes, receivers, inhibition.rules(tenants), tuple(remarks))


def render(ours: Routing, source: str) -> str:
    """Return a whole alertmanager.yml."""
    document = {
        "route": {
            "receiver": NOBODY,
            "group_by": ["tenant", "alertname"],
            "group_wait": "30s",
            "group_interval": "5m",
            "repeat_interval": "4h",
            "routes": ours.routes,
        },
        "inhibit_rules": ours.inhibit_rules,
        "receivers": ours.receivers,
    }
    return dump(document, PurePath(source).name)


def _exporter_receivers(tenants: Tenants) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the receivers of the exporter alerts, and those of tenants that name none.

    Where the file does not say, these are the receivers that no tenant names. A client's receiver gets alerts of
    other tenants only where the file says so. A tenant with `notify: []` is not sent to the defaults' receivers.
    """
    if tenants.watchdog.notify is not None:
        return tenants.watchdog.notify, tenants.watchdog.notify
    named = {name for tenant in tenants.all for name in tenant.notify} | {tenants.watchdog.heartbeat}
    free = tuple(name for name in tenants.receivers if name not in named)
    everyone = tuple(name for name in tenants.receivers if name != tenants.watchdog.heartbeat)
    return free or everyone, tuple(name for name in free if name not in tenants.default_notify)


def _without_receiver(tenants: Tenants, others: Iterable[str]) -> list[str]:
    """Return a remark on the tenants whose alerts no receiver would get."""
    if tuple(others):
        return []
    silent = [tenant.id for tenant in tenants.all if not tenant.notify]
    if tenants.default_notify:
        said = f"alerts of {some(silent)} reach nobody; name receivers under watchdog.notify"
        return [said] if silent else []
    who = f"alerts of {some(silent)} and of tenants" if silent else "alerts of tenants"
    return [
        f"{who} that are added later reach nobody until rendered again; name receivers under watchdog.notify"
    ]


def _heartbeat(tenants: Tenants) -> dict[str, Any]:
    quick = {"group_by": ["alertname"], "group_wait": "0s", "group_interval": "1m", "repeat_interval": "1m"}
    return {
        "matchers": ['alertname="BillingWatchdog"'],
        "receiver": tenants.watchdog.heartbeat or NOBODY,
        **(quick if tenants.watchdog.heartbeat else {}),
    }


def _exporter_alerts(tenants: Tenants, for_exporter: Iterable[str]) -> dict[str, Any]:
    """Return the route of the exporter alerts: one message for a fault, however many tenants it touches."""
    return {
        "matchers": ['detector="watchdog"'],
        "receiver": NOBODY,
        "group_by": ["alertname", inhibition.SHARD],
        "routes": [_to(tenants.receivers[name]) for name in for_exporter],
    }


def _tenants(tenants: Tenants, others: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return a route for each set of receivers, and last the one of the defaults, for every other tenant.

    So the alerts of a tenant that is added later are sent without rendering again.
    """
    groups: dict[tuple[str, ...], list[str]] = {}
    for tenant in tenants.all:
        if tenant.notify != tenants.default_notify:
            groups.setdefault(tenant.notify, []).append(tenant.id)
    routes = [
        _shared(
            [f'tenant="{ids[0]}"' if len(ids) == 1 else f'tenant=~"{"|".join(ids)}"'],
            notify or others,
            tenants,
        )
        for notify, ids in groups.items()
    ]
    if tenants.default_notify:
        routes.append(_shared([*OURS], tenants.default_notify, tenants))
    return routes


def _shared(matchers: list[str], names: Iterable[str], tenants: Tenants) -> dict[str, Any]:
    return {
        "matchers": matchers,
        "receiver": NOBODY,
        "routes": [_to(tenants.receivers[name]) for name in names],
    }


def _to(receiver: Receiver) -> dict[str, Any]:
    heard = SEVERITIES[: SEVERITIES.index(receiver.min_severity) + 1]
    matcher = f'severity="{heard[0]}"' if len(heard) == 1 else f'severity=~"{"|".join(heard)}"'
    return {"matchers": [matcher], "receiver": receiver.name, "continue": True}
