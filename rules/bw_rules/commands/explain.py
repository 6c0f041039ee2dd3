from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

import click

from bw_exporter.command_line.program import Command
from bw_exporter.errors import BillingWatchError
from bw_rules.commands import _flags, _rendering
from bw_rules.commands._flags import flag

if TYPE_CHECKING:
    from bw_exporter.config.tenants import Tenants


@click.command("explain", cls=Command)
@_flags.config_file
@_rendering.job
@flag("--tenant", "As this tenant has it.", metavar="T")
@click.argument("detector", metavar="DETECTOR")
def command(*, config_file: str, job: str, tenant: str | None, detector: str) -> None:
    """Explain one detector: thresholds, PromQL, runbook."""
    from bw_rules import explain
    from bw_rules.groups import build

    found = _flags.load(config_file)
    _flags.known_detector(detector)
    if tenant is not None and tenant not in found.by_id:
        raise BillingWatchError(f"{config_file} has no tenant {tenant}; {_ways_out(tenant, found)}")
    click.echo("\n".join(explain.explanation(found, detector, tenant, build.Settings(job))))


def _ways_out(name: str, found: Tenants) -> str:
    """Return what to ask for instead of a tenant that is not there; a file may have thousands."""
    from bw_rules.wording import some

    close = difflib.get_close_matches(name, list(found.by_id), n=3, cutoff=0.6)
    if close:
        return f"did you mean {' or '.join(close)}?"
    return f"it has {some([*found.by_id])}; without --tenant the defaults are explained"
