"""What `bw-exporter check-config` reports of a tenants.yaml: that it is good, warnings, or each mistake."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bw_exporter.config import tenants as tenants_file
from bw_exporter.config.alerting.receiver_fields import OLDEST_ALERTMANAGER, Alertmanager
from bw_exporter.config.alerting.receivers import SEVERITIES
from bw_exporter.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

    from bw_exporter.config.tenants import Tenant, Tenants

_NAMED = 5
_GUESSABLE_CHARACTERS = 16
"""A path token that is shorter may be found by trying; the signature still keeps strangers out."""


def report(
    path: str,
    detectors: Mapping[str, type[BaseModel]],
    environ: Mapping[str, str],
    alertmanager: Alertmanager = OLDEST_ALERTMANAGER,
    *,
    allow_secret_key: bool = False,
) -> tuple[int, list[str]]:
    """Return (exit code, lines to print): 0 and what was found, or 1 and one line for each mistake.

    Receivers are judged as `bw-rules alertmanager` judges them for that Alertmanager.
    """
    try:
        tenants = tenants_file.load(
            path,
            detectors=detectors,
            environ=environ,
            alertmanager=alertmanager,
            allow_secret_key=allow_secret_key,
        )
    except ConfigError as error:
        return 1, str(error).splitlines()
    if tenants.unread:
        return 1, str(ConfigError(path, tenants.unread)).splitlines()
    counts = f"{_count(len(tenants.all), 'tenant')}, {_count(len(tenants.receivers), 'receiver')}"
    return 0, [f"{path}: {counts}: ok", *(f"{path}: warning: {line}" for line in warnings(tenants))]


def warnings(tenants: Tenants) -> list[str]:
    """Return what is allowed and yet probably not meant."""
    lines = []
    used = {name for tenant in tenants.all for name in tenant.notify}
    used |= {*tenants.default_notify, *(tenants.watchdog.notify or ())}
    silent = [tenant for tenant in tenants.all if not tenant.notify]
    if tenants.receivers and silent:
        lines.append(
            f"{_named(silent)}: names no receiver under notify; only the receivers of watchdog.notify get its alerts"
        )
    unheard = [tenant for tenant in tenants.all if tenant.notify and _unheard(tenant, tenants)]
    if unheard:
        lines.append(f"{_named(unheard)}: has alerts below the min_severity of all its receivers")
    if tenants.watchdog.notify is not None:
        idle = sorted(set(tenants.receivers) - used - {tenants.watchdog.heartbeat})
        lines.extend(f"receivers.{name}: is used by no tenant" for name in idle)
    guessable = [one for one in tenants.all if one.path != one.id and len(one.path) < _GUESSABLE_CHARACTERS]
    if guessable:
        lines.append(
            f"{_named(guessable)}: has a short path_token, to be guessed; `openssl rand -hex 16` makes one"
        )
    shared: dict[str, list[Tenant]] = {}
    for tenant in tenants.all:
        shared.setdefault(tenant.name, []).append(tenant)
    lines.extend(
        f"{_named(same)}: have the same name; people could not tell their alerts apart"
        for same in shared.values()
        if len(same) > 1
    )
    return lines


def _unheard(tenant: Tenant, tenants: Tenants) -> bool:
    lowest = max(SEVERITIES.index(tenants.receivers[name].min_severity) for name in tenant.notify)
    return any(
        settings.enabled and SEVERITIES.index(settings.severity) > lowest
        for settings in tenant.detectors.values()
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _named(tenants: list[Tenant]) -> str:
    names = ", ".join(f"tenants.{tenant.id}" for tenant in tenants[:_NAMED])
    return names if len(tenants) <= _NAMED else f"{names} and {len(tenants) - _NAMED} more"
