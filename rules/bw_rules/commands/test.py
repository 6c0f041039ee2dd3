from __future__ import annotations

import tempfile
from pathlib import Path

import click

from bw_exporter.command_line.program import Command
from bw_rules.commands import _flags, _rendering
from bw_rules.commands._flags import flag


@click.command("test", cls=Command)
@_flags.config_file
@_rendering.job
@flag("--detector", "This detector's cases alone.", metavar="D")
def command(*, config_file: str, job: str, detector: str | None) -> int:
    """Run the detectors' cases in promtool."""
    from bw_rules.groups import build
    from bw_rules.verify import trial_run

    tenants = _flags.load(config_file)
    if detector is not None:
        _flags.known_detector(detector)
    with tempfile.TemporaryDirectory(prefix="bw-rules-") as folder:
        passed, lines = trial_run.run(tenants, build.Settings(job), Path(folder), only=detector)
    click.echo("\n".join(lines))
    return 0 if passed else 1
