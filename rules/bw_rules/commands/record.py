from __future__ import annotations

from pathlib import Path

import click

from bw_exporter.command_line.program import Command
from bw_rules.commands._flags import flag


@click.command("record", cls=Command)
@flag("--rules", "The rule file, as `bw-rules render` wrote it.", required=True, metavar="FILE")
@flag(
    "--past", "Series with timestamps, in OpenMetrics (`simulate --history`).", required=True, metavar="FILE"
)
@flag("--output", "The folder for the blocks: a Prometheus' storage.", required=True, metavar="DIR")
def command(*, rules: str, past: str, output: str) -> None:
    """Make the blocks of a Prometheus from a past.

    They hold the series, and what the rules record over them.
    """
    from bw_exporter.errors import BillingWatchError
    from bw_rules.backtest import past as recorded

    try:
        made = recorded.record(rules, past, Path(output), lambda line: click.echo(line, err=True))
    except OSError as error:
        raise BillingWatchError(
            f"{error.filename or output}: {error.strerror}; give another --output"
        ) from error
    click.echo(f"{output}: {made} blocks")
