from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

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

PAYOUTS = counter(catalog.PAYOUTS, where='status="failed"', name="billing_payouts_bounced")


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


INQUIRY_SPIKE = """
from bw_exporter.metrics import catalog
from bw_rules.toolkit.detector import Runbook
from bw_rules.toolkit.promql import counter
from bw_rules.toolkit.spike import AtLeast, Spike, SpikeThresholds, at_least


class Thresholds(SpikeThresholds):
    min_inquiries: AtLeast = at_least(5, "inquiries")


DETECTOR = Spike(counter(catalog.INQUIRIES), "inquiries", lambda t: t.min_inquiries).detector(
    alert="BillingTrialOfInquiries",
    summary="Many more inquiries are opened than usual.",
    runbook=Runbook(
        meaning="Within the window, several times as many inquiries were opened as usual.",
        impact="Inquiries become disputes.",
        first="1. Who asks?",
        tune="`min_inquiries`.",
    ),
    normal="Normal: a few.",
)
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory, promtool: str) -> Path:
    """A copy of the project with one file more, a spike of inquiries, and all made again that is made from code."""
    copy = tmp_path_factory.mktemp("checkout") / "project"
    left_out = shutil.ignore_patterns(".*", "__pycache__", "benchmarks", "images")
    shutil.copytree(rules_files.ROOT, copy, ignore=left_out)
    (copy / "rules/bw_rules/detectors/trial_of_inquiries.py").write_text(INQUIRY_SPIKE)
    for command in (["-m", "reference.rules_files"], ["dashboards/build.py"]):
        done = _run(copy, promtool, *command)
        assert done.returncode == 0, done.stderr
    return copy


def _run(checkout: Path, promtool: str, *command: str) -> subprocess.CompletedProcess[str]:
    folders = ("exporter", "rules", "scripts", "tests")
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(str(checkout / folder) for folder in folders),
        "PROMTOOL": promtool,
    }
    return subprocess.run(
        [sys.executable, *command], check=False, capture_output=True, text=True, env=environment, cwd=checkout
    )


def test_a_spike_is_one_file_of_sixty_lines_from_which_pages_and_boards_follow(checkout: Path, promtool: str):
    assert len(INQUIRY_SPIKE.splitlines()) <= 60
    assert "BillingTrialOfInquiries" in (checkout / "rules/billing.rules.yml").read_text()
    assert "BillingTrialOfInquiries" in (checkout / "rules/alertmanager.example.yml").read_text()
    assert "### `trial_of_inquiries`" in (checkout / "docs/configuration.md").read_text()
    assert "### BillingTrialOfInquiries" in (checkout / "docs/alerts.md").read_text()
    assert "Who asks?" in (checkout / "docs/runbooks/BillingTrialOfInquiries.md").read_text()
    assert "Inquiries of each window" in (checkout / "dashboards/json/billing-tenant.json").read_text()
    file = checkout / "tenants.yaml"
    file.write_text(
        "defaults: {detectors: {trial_of_inquiries: {min_inquiries: 7}}}\ntenants: {prod: {webhook_secret: whsec_a}}"
    )
    own = ["--config.file", str(file), "--detector", "trial_of_inquiries"]
    tried = _run(checkout, promtool, "-m", "bw_rules.cli", "test", *own)
    assert tried.returncode == 0, tried.stdout


def test_no_test_of_rules_or_boards_holds_a_list_that_a_new_detector_is_missing_from(
    checkout: Path, promtool: str
):
    chosen = ["tests/rules/test_rule_file.py", "tests/dashboards/test_board_files.py"]
    done = _run(checkout, promtool, "-m", "pytest", "-p", "no:cacheprovider", *chosen)
    assert done.returncode == 0, done.stdout[-3000:]


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
    assert ": ok" in rules("test", "--detector", "payout_failure")
