from __future__ import annotations

import difflib
import sys
from pathlib import Path
from typing import Any

import click

from bw_exporter.command_line.program import Command
from bw_exporter.errors import BillingWatchError
from bw_rules.commands import _flags
from bw_rules.commands._rendering import Rendering, rendered, rendering


@click.command("diff", cls=Command)
@_flags.config_file
@rendering
@click.argument("file", metavar="FILE")
def command(*, config_file: str, file: str, **wanted: Any) -> int:  # noqa: ANN401 - the fields of Rendering
    """Exit 1 if FILE is not what would be rendered."""
    lines = rendered(config_file, Rendering(**wanted)).splitlines(keepends=True)
    try:
        there = Path(file).read_text(encoding="utf-8").splitlines(keepends=True)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "no text"
        raise BillingWatchError(
            f"{file}: cannot be read ({reason}); give the rule file that `bw-rules render` has written"
        ) from error
    difference = list(difflib.unified_diff(there, lines, file, f"rendered from {config_file}"))
    sys.stdout.writelines(difference)
    return 1 if difference else 0
