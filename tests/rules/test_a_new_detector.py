from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from reference import rules_files

if TYPE_CHECKING:
    from pathlib import Path

PAYOUT_FAILURE = """
from typing import Annotated

from pydantic import Field

from bw_exporter.metrics import catalog
from bw_rules.toolkit.cases import Case, Series, steps
from bw_rules.toolkit.detector import Detector, Runbook
from bw_rules.toolkit.promql import Recording, counter
from bw_rules.toolkit.thresholds import Base, DurationBetween

PAYOUTS = counter(catalog.PAYOUTS, where='status="failed"', name="billing_payouts_failed")


class Thresholds(Base):
    hold: Annotated[int, DurationBetween("1m", "7d")] = Field(3600, description="How long it stands.")


DETECTOR = Detector(
    alert="BillingPayoutFailure",
    summary="A payout failed.",
    recordings=lambda t, scope: (PAYOUTS.recording(scope), PAYOUTS.delta(scope, t.hold)),
    condition=lambda t, scope: f"{scope.recorded(PAYOUTS.delta_name(t.hold))} >= 1",
    threshold=lambda t, scope: Recording(PAYOUTS.threshold_name(t.hold), f"1 + 0 * {PAYOUTS.max_name}"),
    description=lambda t: "Failed payouts: {{ $value }}",
    reach=lambda t: t.hold,
    runbook=Runbook("It failed.", "Money is late.", "1. Look.", "Not at all."),
    cases=lambda t: (
        Case("one failed", "fires", (Series(catalog.PAYOUTS.name, steps((60, 101)), 'status="failed"'),), fine=True),
        Case("none failed", "quiet", (Series(catalog.PAYOUTS.name, steps(), 'status="failed"'),), fine=True),
    ),
)
"""


def test_a_detector_is_one_new_file_and_nothing_else(tmp_path: Path, promtool: str):
    shutil.copytree(rules_files.ROOT / "rules" / "bw_rules", tmp_path / "bw_rules")
    (tmp_path / "bw_rules" / "detectors" / "payout_failure.py").write_text(PAYOUT_FAILURE)
    config = tmp_path / "tenants.yaml"
    config.write_text(
        "tenants: {prod: {webhook_secret: whsec_a, detectors: {payout_failure: {hold: 2h, severity: info}}}}"
    )
    environment = {
        **os.environ,
        "PYTHONPATH": f"{tmp_path}{os.pathsep}{rules_files.ROOT / 'exporter'}",
        "PROMTOOL": promtool,
    }

    def rules(*arguments: str) -> str:
        command = [sys.executable, "-m", "bw_rules.cli", *arguments, "--config.file", str(config)]
        return subprocess.run(
            command, check=True, capture_output=True, text=True, env=environment, cwd=tmp_path
        ).stdout

    rendered = tmp_path / "rules.yml"
    rendered.write_text(rules("render"))
    assert "BillingPayoutFailure" in rendered.read_text()
    assert ": ok" in rules("check", str(rendered))
    assert "Failed payouts" not in rules("list")
    assert "A payout failed." in rules("list")
    assert "tenants.prod" in rules("explain", "payout_failure", "--tenant", "prod")
    assert ": ok" in rules("test")
