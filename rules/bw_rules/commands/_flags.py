"""What several commands of bw-rules take.

The variables are BW_RULES_…, so that bw-exporter, which has flags of the same names, is not meant; BW_CONFIG_FILE is
for both.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import click

from bw_exporter.command_line import flags, options
from bw_exporter.config import tenants
from bw_exporter.config.problems import nearest
from bw_exporter.config.tenants import Tenants
from bw_exporter.errors import BillingWatchError, ConfigError
from bw_rules.detectors import DETECTORS, THRESHOLDS

flag = partial(flags.flag, prefix="BW_RULES_")

config_file = flags.config_file
output = flag("--output", "Where it is written, instead of standard output.", metavar="FILE")


def load(path: str) -> Tenants:
    """Read a tenants.yaml without its secrets; raises ConfigError, for keys without an effect too."""
    found = tenants.load(path, detectors=THRESHOLDS, read_secrets=False)
    if found.unread:
        raise ConfigError(found.source, found.unread)
    return found


def known_detector(name: str) -> None:
    """Raise BillingWatchError, naming the nearest, where there is no such detector."""
    if name not in DETECTORS:
        ways_out = nearest(name, DETECTORS, f"use {', '.join(DETECTORS)}")
        raise BillingWatchError(f"there is no detector {name}; {ways_out}")


def at(text: str) -> int:
    """Read a moment."""
    if not text.isdecimal():
        raise ValueError("write it in Unix seconds")
    return int(text)


prometheus = flag(
    "--prometheus",
    "The Prometheus that scrapes the exporter.",
    read=options.url,
    required=True,
    metavar="URL",
)
since = flag(
    "--since", "How much of the past is judged.", read=options.duration, default="28d", metavar="DURATION"
)
until_at = flag("--until", "When it ends, in Unix seconds.", read=at, shown_default="now", metavar="SECONDS")
one_tenant = flag("--tenant", "One tenant alone.", metavar="T")
one_detector = flag("--detector", "One detector alone.", metavar="D")


def until(asked: int | None, since: int, step: int, now: int) -> int:
    """Return when a past that is judged ends (Unix seconds); raises UsageError for a time that cannot be."""
    until_at = now if asked is None else asked
    if until_at > now:
        raise click.UsageError(f"--until {until_at} has not come yet; give Unix seconds up to now, {now}")
    if not step <= since <= until_at:
        raise click.UsageError(
            f"--since must be at least --step ({step}s) and no longer than the time since 1970; as in --since 28d"
        )
    return until_at


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """Give what shows how far a command is, in one line of a terminal; elsewhere it shows nothing."""
    terminal = sys.stderr.isatty()

    def show(line: str) -> None:
        if terminal:
            click.echo(f"\r\x1b[K{line}", err=True, nl=False)

    try:
        yield show
    finally:
        show("")


def require(found: Tenants, tenant: str | None, detector: str | None, without: str) -> None:
    """Raise BillingWatchError, with what is near, for a tenant or a detector that is not there; None is any.

    `without` says what a command is about without --tenant.
    """
    if detector is not None:
        known_detector(detector)
    if tenant is not None and tenant not in found.by_id:
        raise BillingWatchError(f"{found.source} has no tenant {tenant}; {_ways_out(tenant, found, without)}")


def _ways_out(name: str, found: Tenants, without: str) -> str:
    """Return what to ask for instead of a tenant that is not there; a file may have thousands."""
    from bw_rules.wording import some

    close = difflib.get_close_matches(name, list(found.by_id), n=3, cutoff=0.6)
    if close:
        return f"did you mean {' or '.join(close)}?"
    return f"it has {some([*found.by_id])}; without --tenant {without}"
