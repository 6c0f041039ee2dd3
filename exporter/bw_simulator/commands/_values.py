"""The values of `simulate`'s flags, each read by a function whose error says what to write."""

from __future__ import annotations

import re

from bw_exporter.command_line import options
from bw_exporter.config import durations

_LONGEST_STEP_SECONDS = 240
"""Prometheus forgets a series 5 minutes after its last sample."""

_TROUBLE = re.compile(r"([^:@]+):([^:@]+)@([0-9a-z]+)(?:-([0-9a-z]+))?")


def listed(text: str) -> list[str]:
    """Read names with commas between."""
    return text.split(",")


def number(text: str) -> int:
    """Read a whole number."""
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{text!r} is no whole number") from None


def rate(text: str) -> float:
    """Read events per second."""
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0 < found < float("inf"):
        raise ValueError("give events per second, more than 0, as in 5 or 0.5")
    return found


def anomaly_names(text: str) -> tuple[str, ...]:
    """Read the names of anomalies, or all, or none; return them in the order in which they are played."""
    known = _known()
    if text in ("all", "none"):
        return known if text == "all" else ()
    chosen = listed(text)
    if unknown := [name for name in chosen if name not in known]:
        raise ValueError(f"no such anomaly: {', '.join(unknown)}; there are: {', '.join(known)}")
    return tuple(name for name in known if name in chosen)


def step(text: str) -> int:
    """Read the seconds between two scrapes."""
    seconds = options.duration(text)
    if seconds > _LONGEST_STEP_SECONDS:
        raise ValueError("must be at most 4m, or Prometheus would forget the series between two scrapes")
    return seconds


def troubles(text: str) -> list[tuple[str, str, int, int]]:
    """Read what went wrong in a past: tenant, anomaly, seconds before its end, and until when (0: it did not last)."""
    return [] if text == "none" else [_trouble(part) for part in text.split(",")]


def _trouble(text: str) -> tuple[str, str, int, int]:
    match = _TROUBLE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no trouble; write TENANT:NAME@AGO, as in prod:fraud_spike@30h")
    tenant_id, name, ago, until = match.groups()
    if name not in _known():
        raise ValueError(f"no such anomaly: {name}; there are: {', '.join(_known())}")
    return tenant_id, name, options.duration(ago), durations.parse(until or "0")


def _known() -> tuple[str, ...]:
    from bw_simulator.shop import anomalies

    return anomalies.names()
