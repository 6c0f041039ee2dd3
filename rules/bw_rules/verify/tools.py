"""promtool, prometheus, amtool and alertmanager: where they are, and how they are run."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

_REPOSITORY = Path(__file__).resolve().parents[3]


def find(name: str) -> str | None:
    """Return the tool's path: $PROMTOOL and its like, then PATH, then .tools/bin of a checkout; or None."""
    chosen = os.environ.get(name.upper())
    if chosen:
        return str(Path(chosen).absolute()) if os.sep in chosen else chosen
    return shutil.which(name) or shutil.which(name, path=str(_REPOSITORY / ".tools" / "bin"))


def run(tool: str, *arguments: str, folder: Path | None = None) -> tuple[int, str]:
    """Run the tool and return (exit code, what it said)."""
    done = subprocess.run(  # noqa: S603 - the tool the user has, on files of ours
        [tool, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    return done.returncode, (done.stdout + done.stderr).strip()
