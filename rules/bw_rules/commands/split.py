from __future__ import annotations

from pathlib import Path

import click

from bw_exporter.command_line.program import Command
from bw_rules.commands import _flags
from bw_rules.commands._flags import flag

_MOST_SHARDS = 1000


def _shards(text: str) -> int:
    if not text.isdecimal() or not 1 < int(text) <= _MOST_SHARDS:
        raise ValueError(f"give a whole number from 2 to {_MOST_SHARDS}")
    return int(text)


@click.command("split", cls=Command)
@_flags.config_file
@flag("--shards", f"How many, 2 to {_MOST_SHARDS}.", read=_shards, required=True, metavar="N")
@flag("--output-dir", "Where they are written; without it, beside the file.", metavar="DIR")
def command(*, config_file: str, shards: int, output_dir: str | None) -> None:
    """Cut tenants.yaml into shards by hash of the tenant's id."""
    from bw_rules.split import split

    folder = Path(output_dir) if output_dir else None
    for path, count in split(_flags.load(config_file), shards, folder):
        click.echo(f"{path}: {count} tenants")
