from __future__ import annotations

import tempfile
from pathlib import Path

import click

from bw_exporter.command_line.program import Command
from bw_rules.commands import _flags, _rendering


@click.command("test", cls=Command)
@_flags.config_file
@_rendering.job
def command(*, config_file: str, job: str) -> int:
    """Run the detectors' cases in promtool."""
    from bw_rules.groups import build
    from bw_rules.verify import trial_run

    with tempfile.TemporaryDirectory(prefix="bw-rules-") as folder:
        passed, lines = trial_run.run(_flags.load(config_file), build.Settings(job), Path(folder))
    click.echo("\n".join(lines))
    return 0 if passed else 1
