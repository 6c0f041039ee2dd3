"""An Alertmanager configuration: who hears of which tenant's alerts, and what stays quiet beside what."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from bw_exporter.config.receivers import SEVERITIES
from bw_exporter.errors import ConfigError, Problem
from bw_rules.render import messages
from bw_rules.render.yaml_text import dump

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bw_exporter.config.receivers import Receiver
    from bw_exporter.tenants import Tenants

NOBODY = "nobody"
OURS = 'detector=~".+"'
"""Every alert of ours has the label detector; in a shared Alertmanager it tells ours from others'."""

_NEWER_FIELDS = {
    ("telegram", "bot_token_file"): ((0, 26), "bot_token"),
    ("webhook", "url_file"): ((0, 26), "url"),
    ("discord", "webhook_url_file"): ((0, 28), "webhook_url"),
}
"""Fields that Alertmanager 0.25 refuses: the version that has them, and what older ones have."""


@dataclass(frozen=True, slots=True)
class Routing:
    """The parts of alertmanager.yml that are ours, and remarks for whoever rendered them."""

    routes: list[dict[str, Any]]
    receivers: list[dict[str, Any]]
    inhibit_rules: list[dict[str, Any]]
    remarks: tuple[str, ...]


def routing(tenants: Tenants, version: tuple[int, int]) -> Routing:
    """Return our routes, receivers and inhibitions. Raises ConfigError naming receivers too new for `version`."""
    _refuse_newer(tenants, version)
    watchers, others = _watchers(tenants)
    routes = [_heartbeat(tenants), _watchdog(tenants, watchers), *_tenants(tenants)]
    routes += [_to(tenants.receivers[name]) for name in others]
    remarks = _unheard(tenants, others)
    receivers: list[dict[str, Any]] = [{"name": NOBODY}]
    used = {
        *watchers,
        *others,
        tenants.watchdog.heartbeat,
        *(name for each in tenants.all for name in each.notify),
    }
    for receiver in tenants.receivers.values():
        if receiver.name not in used:
            remarks.append(f"receivers.{receiver.name}: nobody names it; left out")
            continue
        config, remark = messages.with_defaults(receiver)
        receivers.append({"name": receiver.name, f"{receiver.kind}_configs": [config]})
        remarks += [f"receivers.{receiver.name}.{receiver.kind}: {remark}"] if remark else []
    return Routing(routes, receivers, _inhibit_rules(), tuple(remarks))


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
    tenants only where the file says so.
    """
    if tenants.watchdog.notify is not None:
        return tenants.watchdog.notify, tenants.watchdog.notify
    named = {name for tenant in tenants.all for name in tenant.notify} | {tenants.watchdog.heartbeat}
    free = tuple(name for name in tenants.receivers if name not in named)
    everyone = tuple(name for name in tenants.receivers if name != tenants.watchdog.heartbeat)
    return free or everyone, free


def _unheard(tenants: Tenants, others: Iterable[str]) -> list[str]:
    """Say whose alerts would reach nobody: a watch that cannot be heard has to be loud when it is set up."""
    if tuple(others):
        return []
    silent = [tenant.id for tenant in tenants.all if not tenant.notify]
    who = f"alerts of {', '.join(silent)} and of tenants" if silent else "alerts of tenants"
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
    """One message for a fault of the exporter, however many tenants it touches."""
    return {
        "matchers": ['detector="watchdog"'],
        "receiver": NOBODY,
        "group_by": ["alertname"],
        "routes": [_to(tenants.receivers[name]) for name in watchers],
    }


def _tenants(tenants: Tenants) -> list[dict[str, Any]]:
    """Tenants with the same receivers share a route."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for tenant in tenants.all:
        if tenant.notify:
            groups.setdefault(tenant.notify, []).append(tenant.id)
    return [
        {
            "matchers": [f'tenant="{ids[0]}"' if len(ids) == 1 else f'tenant=~"{"|".join(ids)}"'],
            "receiver": NOBODY,
            "routes": [_to(tenants.receivers[name]) for name in notify],
        }
        for notify, ids in groups.items()
    ]


def _to(receiver: Receiver) -> dict[str, Any]:
    heard = SEVERITIES[: SEVERITIES.index(receiver.min_severity) + 1]
    matcher = f'severity="{heard[0]}"' if len(heard) == 1 else f'severity=~"{"|".join(heard)}"'
    return {"matchers": [matcher], "receiver": receiver.name, "continue": True}


def _inhibit_rules() -> list[dict[str, Any]]:
    return [
        {
            "source_matchers": ['alertname="BillingSilentLapse"'],
            "target_matchers": ['alertname="BillingRevenueDrop"'],
            "equal": ["tenant"],
        },
        {
            "source_matchers": ['alertname="BillingExporterDown"'],
            "target_matchers": [OURS, 'detector!="watchdog"'],
        },
    ]


def _refuse_newer(tenants: Tenants, version: tuple[int, int]) -> None:
    problems = tuple(
        Problem(
            f"receivers.{receiver.name}.{receiver.kind}.{name}",
            f"needs Alertmanager {_dotted(since)}; give {older} instead, "
            f"or say --alertmanager-version {_dotted(since)} if yours is",
        )
        for receiver in tenants.receivers.values()
        for (kind, name), (since, older) in _NEWER_FIELDS.items()
        if receiver.kind == kind and name in receiver.fields and version < since
    )
    if problems:
        raise ConfigError(tenants.source, problems)


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))
