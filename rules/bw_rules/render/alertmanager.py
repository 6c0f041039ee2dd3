"""An Alertmanager configuration: who hears of which tenant's alerts, and what stays quiet beside what."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from bw_exporter.config import receiver_fields
from bw_exporter.config.receivers import NOBODY, SEVERITIES
from bw_exporter.errors import ConfigError
from bw_rules.detectors import DETECTORS
from bw_rules.groups import exporter_alerts, missing_history
from bw_rules.groups.build import JOB
from bw_rules.render import inhibition, messages
from bw_rules.render.yaml_text import dump
from bw_rules.wording import some

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from bw_exporter.config.receiver_fields import Version
    from bw_exporter.config.receivers import Receiver
    from bw_exporter.config.tenants import Tenants

_ABOUT_EXPORTER = (one.name for one in exporter_alerts.alerts(JOB))
_ALERTS = sorted([*(one.alert for one in DETECTORS.values()), *_ABOUT_EXPORTER, missing_history.NAME])
OURS = (f'alertname=~"{"|".join(_ALERTS)}"', 'detector=~".+"')
"""What tells our alerts from others' in a shared Alertmanager, where others may have a label detector too."""


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
    watchers, others = _watchers(tenants)
    routes = [_heartbeat(tenants), _watchdog(tenants, watchers), *_tenants(tenants, others)]
    routes += [_to(tenants.receivers[name]) for name in others]
    remarks = _unheard(tenants, others)
    if version > receiver_fields.NEWEST:
        newest = receiver_fields.dotted(receiver_fields.NEWEST)
        remarks.append(
            f"fields of receivers were checked against Alertmanager {newest}, the newest known here"
        )
    receivers: list[dict[str, Any]] = [{"name": NOBODY}]
    used = {
        *watchers,
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


def _watchers(tenants: Tenants) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return who hears of the watchdog itself, and of tenants that name no receiver.

    Where the file does not say, those receivers that no tenant names; a client's receiver hears of other
    tenants only where the file says so. A tenant that takes the defaults' receivers back is not sent to them.
    """
    if tenants.watchdog.notify is not None:
        return tenants.watchdog.notify, tenants.watchdog.notify
    named = {name for tenant in tenants.all for name in tenant.notify} | {tenants.watchdog.heartbeat}
    free = tuple(name for name in tenants.receivers if name not in named)
    everyone = tuple(name for name in tenants.receivers if name != tenants.watchdog.heartbeat)
    return free or everyone, tuple(name for name in free if name not in tenants.default_notify)


def _unheard(tenants: Tenants, others: Iterable[str]) -> list[str]:
    """Say whose alerts would reach nobody: a watch that cannot be heard has to be loud when it is set up."""
    if tuple(others):
        return []
    silent = [tenant.id for tenant in tenants.all if not tenant.notify]
    if tenants.default_notify:
        said = f"alerts of {some(silent)} reach nobody; set watchdog.notify to hear of them"
        return [said] if silent else []
    who = f"alerts of {some(silent)} and of tenants" if silent else "alerts of tenants"
    return [
        f"{who} that are added later reach nobody until rendered again; set watchdog.notify to hear of them"
    ]


def _heartbeat(tenants: Tenants) -> dict[str, Any]:
    quick = {"group_by": ["alertname"], "group_wait": "0s", "group_interval": "1m", "repeat_interval": "1m"}
    return {
        "matchers": ['alertname="BillingWatchdog"'],
        "receiver": tenants.watchdog.heartbeat or NOBODY,
        **(quick if tenants.watchdog.heartbeat else {}),
    }


def _watchdog(tenants: Tenants, watchers: Iterable[str]) -> dict[str, Any]:
    """One message for a fault of an exporter, however many tenants it touches."""
    return {
        "matchers": ['detector="watchdog"'],
        "receiver": NOBODY,
        "group_by": ["alertname", inhibition.SHARD],
        "routes": [_to(tenants.receivers[name]) for name in watchers],
    }


def _tenants(tenants: Tenants, others: tuple[str, ...]) -> list[dict[str, Any]]:
    """Tenants with the same receivers share a route; those of the defaults are told of whoever has none of his own.

    So a tenant that was added since is heard, and one that takes the defaults' receivers back has a route first.
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
