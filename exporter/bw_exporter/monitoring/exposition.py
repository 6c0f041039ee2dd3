"""From the store to the exposition: classic text or OpenMetrics, gzip where the scraper takes it.

The database renders the sample lines of all tenants in one statement; this module adds the metadata and the
few families that follow from the configuration or from the serving process.
"""

from __future__ import annotations

import gzip
import platform
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from prometheus_client import exposition as classic
from prometheus_client.openmetrics import exposition as openmetrics
from werkzeug.http import parse_accept_header, parse_options_header

from bw_exporter import __version__
from bw_exporter.config.timezones import utc_offset_seconds
from bw_exporter.metrics import catalog
from bw_exporter.metrics.family import Family
from bw_exporter.metrics.money import MINOR_UNITS

if TYPE_CHECKING:
    from bw_exporter.config.current import ConfigState
    from bw_exporter.housekeeping import StoreHealth
    from bw_exporter.store import Store

_OPENMETRICS, _OPENMETRICS_VERSION = "application/openmetrics-text", "1.0.0"
_GZIP_LEVEL = 1
"""Measured on 40 MiB of text: level 6 takes three times the CPU of level 1."""


def render(
    store: Store,
    state: ConfigState,
    health: StoreHealth,
    accept: str,
    clock: Callable[[], float] = time.time,
) -> tuple[bytes, str]:
    """Return the whole exposition and its content type, negotiated by the Accept header.

    Raises StoreUnavailableError.
    """
    content_type, is_open = _negotiated(accept)
    stored = dict(store.families([tenant.id for tenant in state.tenants.all]))
    derived = _derived(state, health, clock())
    parts = []
    for family in catalog.FAMILIES:
        lines = stored.get(family.number) if family.stored else derived.get(family.number)
        parts.append(_metadata(family, is_open=is_open))
        if lines:
            parts += (lines, b"\n")
    if is_open:
        parts.append(b"# EOF\n")
    return b"".join(parts), content_type


def compressed(body: bytes, accept_encoding: str) -> tuple[bytes, dict[str, str]]:
    """Return the body, gzipped where the client takes it, and the headers that say so."""
    headers = {"Vary": "Accept, Accept-Encoding"}
    if not parse_accept_header(accept_encoding)["gzip"]:
        return body, headers
    return gzip.compress(body, _GZIP_LEVEL, mtime=0), {**headers, "Content-Encoding": "gzip"}


def _negotiated(accept: str) -> tuple[str, bool]:
    """Return the content type, and whether it is OpenMetrics: of what we speak, what the client likes best.

    Of each format we speak one version. Who asks for neither gets the classic text.
    """
    likes_open = likes_classic = 0.0
    for value, quality in parse_accept_header(accept):
        media_type, options = parse_options_header(value)
        if (
            media_type == _OPENMETRICS
            and options.get("version", _OPENMETRICS_VERSION) == _OPENMETRICS_VERSION
        ):
            likes_open = max(likes_open, quality)
        elif media_type == "text/plain":
            likes_classic = max(likes_classic, quality)
    is_open = likes_open > 0 and likes_open >= likes_classic
    return openmetrics.CONTENT_TYPE_LATEST if is_open else classic.CONTENT_TYPE_PLAIN_0_0_4, is_open


def _metadata(family: Family, *, is_open: bool) -> bytes:
    name, text = family.name, family.help.replace("\\", "\\\\").replace("\n", "\\n")
    if is_open:
        text = text.replace('"', '\\"')
        if family.type == "counter":
            name = name.removesuffix("_total")
    return f"# HELP {name} {text}\n# TYPE {name} {family.type}\n".encode()


def _derived(state: ConfigState, health: StoreHealth, now: float) -> dict[int, bytes]:
    """Lines that are not in the store, by family number."""
    build = f'{{version="{__version__}",python="{platform.python_version()}"}} 1'
    zones = {tenant.timezone for tenant in state.tenants.all}
    offsets = {name: utc_offset_seconds(name, now) for name in zones}
    lines = {
        catalog.TENANT_INFO: "\n".join(
            f'{catalog.TENANT_INFO.name}{{tenant="{tenant.id}",name="{_escaped(tenant.name)}",'
            f'mode="{tenant.mode}"}} 1'
            for tenant in state.tenants.all
        ),
        catalog.TENANT_UTC_OFFSET: "\n".join(
            f'{catalog.TENANT_UTC_OFFSET.name}{{tenant="{tenant.id}"}} {offsets[tenant.timezone]}'
            for tenant in state.tenants.all
        ),
        catalog.CATCH_UP_INTERVAL: "\n".join(
            f'{catalog.CATCH_UP_INTERVAL.name}{{tenant="{tenant.id}"}} {tenant.asked_every_seconds}'
            for tenant in state.tenants.all
        ),
        catalog.CURRENCY_MINOR_UNITS: "\n".join(
            f'{catalog.CURRENCY_MINOR_UNITS.name}{{currency="{currency}"}} {units}'
            for currency, units in sorted(MINOR_UNITS.items())
        ),
        catalog.BUILD_INFO: catalog.BUILD_INFO.name + build,
    }
    values = {
        catalog.CONFIG_LAST_RELOAD_SUCCESSFUL: int(state.last_reload_successful),
        catalog.CONFIG_LAST_RELOAD_SUCCESS_AT: state.loaded_at,
        catalog.STORE_UP: int(health.up),
        catalog.STORE_SIZE: health.size_bytes,
        catalog.STORE_SCHEMA_VERSION: health.schema_version,
        catalog.STORE_PROBE_SECONDS: f"{health.probe_seconds:.6f}",
    }
    lines.update({family: f"{family.name} {value}" for family, value in values.items()})
    return {family.number: text.encode() for family, text in lines.items()}


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
