"""Files as they were shipped before detectors weighed evidence: each is read, and its thresholds hold if told to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from bw_exporter.config import check_config
from bw_exporter.config.tenants import Tenants
from bw_rules.detectors import THRESHOLDS

SHIPPED = sorted((Path(__file__).parent / "shipped").glob("*.yaml"))
ONLY_FIXED = {"multiplier", "window", "baseline", "compare"}
"""What detectors read with `sensitivity: fixed` alone."""


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_a_file_of_before_is_read_and_is_told_which_keys_have_no_effect_any_more(
    config: Callable[..., Tenants], file: Path
):
    tenants = config(file.read_text(), read_secrets=False)
    assert {tenant.id for tenant in tenants.all} == set(yaml.safe_load(file.read_text())["tenants"])
    for problem in tenants.unread:
        keys, told, _ = problem.message.partition(": ")
        assert told
        assert set(keys.split(", ")) <= ONLY_FIXED
        assert "sensitivity: fixed" in problem.message


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_with_sensitivity_fixed_check_config_finds_nothing_in_a_file_of_before(tmp_path: Path, file: Path):
    document = yaml.safe_load(file.read_text())
    for section in (document.get("defaults", {}), *document["tenants"].values()):
        for name, keys in section.get("detectors", {}).items():
            if ONLY_FIXED & keys.keys() and "sensitivity" in THRESHOLDS[name].model_fields:
                keys["sensitivity"] = "fixed"
    for number, tenant in enumerate(document["tenants"].values()):
        tenant.pop("webhook_secret_file", None)
        tenant.pop("webhook_secret_env", None)
        tenant["webhook_secret"] = f"whsec_{number}"
    changed = tmp_path / "tenants.yaml"
    changed.write_text(yaml.safe_dump(document))
    code, lines = check_config.report(str(changed), THRESHOLDS, {})
    assert code == 0, lines
