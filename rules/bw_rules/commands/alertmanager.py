from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bw_exporter.command_line.program import Command
from bw_rules.commands import _flags
from bw_rules.commands._flags import flag

if TYPE_CHECKING:
    from bw_exporter.config.alerting.receiver_fields import Version


def _version(text: str) -> Version:
    from bw_exporter.config.alerting import receiver_fields

    return receiver_fields.read_version(text)


@click.command("alertmanager", cls=Command)
@_flags.config_file
@_flags.output
@flag("--base", "An alertmanager.yml to merge into.", metavar="FILE")
@flag(
    "--alertmanager-version",
    "Yours, which has to take every field.",
    read=_version,
    default="0.25",
    metavar="VERSION",
)
def command(*, config_file: str, output: str | None, base: str | None, alertmanager_version: Version) -> None:
    """Write alertmanager.yml."""
    from bw_rules.output import write
    from bw_rules.render import alertmanager, merge

    given = merge.global_keys(base) if base else frozenset()
    ours = alertmanager.routing(_flags.load(config_file), alertmanager_version, given)
    merged = merge.merge(base, ours, config_file) if base else None
    text = merged or alertmanager.render(ours, config_file)
    for remark in ours.remarks:
        click.echo(f"{config_file}: {remark}", err=True)
    write(text, output)
