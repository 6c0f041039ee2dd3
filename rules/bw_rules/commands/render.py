from __future__ import annotations

from typing import Any

import click

from bw_exporter.command_line.program import Command
from bw_rules.commands import _flags
from bw_rules.commands._rendering import Rendering, rendered, rendering


@click.command("render", cls=Command)
@_flags.config_file
@rendering
@_flags.output
def command(*, config_file: str, output: str | None, **wanted: Any) -> None:  # noqa: ANN401 - the fields of Rendering
    """Write the rule file."""
    from bw_rules.output import write

    write(rendered(config_file, Rendering(**wanted)), output)
