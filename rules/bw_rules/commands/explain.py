from __future__ import annotations

import time

import click

from bw_exporter.command_line import options
from bw_exporter.command_line.program import Command
from bw_rules.commands import _flags, _rendering
from bw_rules.commands._flags import flag


@click.command("explain", cls=Command)
@_flags.config_file
@_rendering.job
@flag("--tenant", "As this tenant has it.", metavar="T")
@flag(
    "--prometheus",
    "With --tenant: say what this Prometheus knows of the tenant, and what fires now.",
    read=options.url,
    metavar="URL",
)
@click.argument("detector", metavar="DETECTOR")
def command(*, config_file: str, job: str, tenant: str | None, prometheus: str | None, detector: str) -> None:
    """Explain one detector: thresholds, PromQL, runbook."""
    from bw_rules import explain
    from bw_rules.groups import build

    found = _flags.load(config_file)
    _flags.require(found, tenant, detector, "the defaults are explained")
    settings = build.Settings(job)
    if prometheus is None:
        click.echo("\n".join(explain.explanation(found, detector, tenant, settings)))
        return
    if tenant is None:
        raise click.UsageError("--prometheus says how one tenant is watched; give --tenant too")
    from bw_rules import watched
    from bw_rules.prometheus import Prometheus

    now = watched.lines(Prometheus(prometheus), found, detector, tenant, settings, int(time.time()))
    click.echo("\n".join([*explain.thresholds(found, detector, tenant), "", *now]))
