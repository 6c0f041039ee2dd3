from __future__ import annotations

import os

import click

from bw_exporter.command_line import flags
from bw_exporter.command_line.program import Command


@click.command("check-config", cls=Command)
@flags.config_file
@click.argument("file", required=False, metavar="[FILE]")
@click.pass_context
def command(ctx: click.Context, *, config_file: str, file: str | None) -> int:
    """Read the configuration and report every mistake in it.

    FILE may stand for --config.file FILE.
    """
    from bw_exporter import tenants_file
    from bw_exporter.config import check_config

    given = ctx.get_parameter_source("config_file")
    if file and given is click.core.ParameterSource.COMMANDLINE:
        raise click.UsageError(f"Two files are given; leave out {file} or --config.file.", ctx)
    status, lines = check_config.report(file or config_file, tenants_file.THRESHOLDS, os.environ)
    click.echo("\n".join(lines), err=bool(status))
    return status
