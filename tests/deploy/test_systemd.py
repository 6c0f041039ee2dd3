"""The unit for hosts with systemd."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[2] / "deploy/systemd/billingwatch.service"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd-analyze here")
def test_the_unit_is_accepted_by_systemd(tmp_path: Path) -> None:
    program = str(Path(sys.executable).with_name("bw-exporter"))
    unit = tmp_path / UNIT.name
    text = UNIT.read_text(encoding="utf-8").replace("/opt/billingwatch/bin/bw-exporter", program)
    unit.write_text(re.sub(r"(?m)^(User|Group)=billingwatch$", r"\1=root", text))
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    about_it = [line for line in done.stderr.splitlines() if "billingwatch" in line]
    assert (done.returncode, about_it) == (0, [])


def test_operations_md_runs_the_command_of_the_unit() -> None:
    page = (UNIT.parents[2] / "docs/operations.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"(?m)^ExecStart=/opt/billingwatch/bin/(.+)$", UNIT.read_text(encoding="utf-8"))
    assert f"\n{command}\n" in page
