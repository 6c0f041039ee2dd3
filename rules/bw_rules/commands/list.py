from __future__ import annotations

import click

from bw_exporter.command_line.program import Command
from bw_rules.commands import _flags


@click.command("list", cls=Command)
@_flags.config_file
def command(*, config_file: str) -> None:
    """List the detectors and the thresholds in force."""
    from bw_rules import explain

    click.echo("\n".join(explain.listing(_flags.load(config_file))))
