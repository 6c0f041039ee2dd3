from __future__ import annotations

import click

from bw_exporter.command_line import flags
from bw_exporter.command_line.program import Command


@click.command("check", cls=Command)
@flags.config_file
@click.argument("file", metavar="FILE")
def command(*, config_file: str, file: str) -> int:  # noqa: ARG001 - taken, as by every command; the rules say it all
    """Check a rule file."""
    from bw_rules.verify import validate

    problems, remarks = validate.check(file)
    for line in remarks:
        click.echo(line, err=True)
    for line in problems:
        click.echo(line)
    if not problems:
        click.echo(f"{file}: ok")
    return 1 if problems else 0
