from __future__ import annotations

import click

from bw_exporter.command_line.program import Command
from bw_rules.commands import _flags, _rendering
from bw_rules.commands._flags import flag


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
    _flags.require(found, tenant, detector, "the defaults are explained")
    click.echo("\n".join(explain.explanation(found, detector, tenant, build.Settings(job))))
