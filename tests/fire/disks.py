"""A disk of a few MiB that only some processes see: a tmpfs in a mount namespace of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class SmallDisk:
    """`path` is where `within` sees the disk, `outside` where everybody does."""

    path: Path
    outside: Path
    within: tuple[str, ...]


@contextlib.contextmanager
def small_disk(folder: Path, kib: int) -> Iterator[SmallDisk]:
    """Skips the test where the system lets nobody mount one."""
    tools = [shutil.which(name) for name in ("unshare", "nsenter", "mount")]
    if None in tools:
        pytest.skip("unshare, nsenter and mount (Debian: util-linux, mount) are needed for a small disk")
    path = folder / "disk"
    path.mkdir()
    root = os.geteuid() == 0
    script = f"mount -t tmpfs -o size={kib}k,mode=777 tmpfs '{path}' && echo mounted && exec sleep infinity"
    with subprocess.Popen(
        ["unshare", *([] if root else ["-r"]), "-m", "sh", "-c", script],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as holder:  # fmt: skip
        try:
            assert holder.stdout
            assert holder.stderr
            if holder.stdout.readline() != "mounted\n":
                pytest.skip(f"no small disk can be mounted here: {holder.stderr.read().strip()}")
            pid = str(holder.pid)
            enter = ("nsenter", "-t", pid, "-m", *([] if root else ["-U", "--preserve-credentials"]))
            yield SmallDisk(path, Path(f"/proc/{pid}/root{path}"), enter)
        finally:
            holder.kill()
