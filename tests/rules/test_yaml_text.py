from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bw_rules.cli import main
from bw_rules.render import yaml_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MISREAD = [
    "y", "Y", "n", "N", "yes", "Off", "1e3", "12e5", "1E+5", "0o17", "0x1f", "0b1", "08", "1_000", "12:30", "1.", ".5",
    "+_2", "-7e_-9", ".inf", "-.INF", ".NaN", "~", "null", "", "2001-01-01", "=", "<<",
]  # fmt: skip
LABELS = """
tenants:
  a: {webhook_secret: whsec_a, labels: {y: y, n: "1e3", N: "0o17", code: "08"}}
"""


def as_kubernetes_reads(kubectl: str, file: Path) -> dict[str, object]:
    """Return a resource as kubectl would send it."""
    command = [kubectl, "label", "--local", "-f", str(file), "seen=yes", "-o", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("text", MISREAD)
def test_a_text_that_some_yaml_takes_for_a_number_or_a_truth_value_is_quoted(text: str):
    written = yaml_text.dump({"a": text}, "x")
    assert yaml.compose(written).value[0][1].style == "'"
    assert yaml.safe_load(written) == {"a": text}


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.text("0123456789+-._:eExXobByYnNaif~=<", max_size=6), min_size=1, max_size=300))
def test_kubernetes_reads_every_text_as_it_was_meant(kubectl: str, tmp_path: Path, texts: list[str]):
    file = tmp_path / "resource.yaml"
    spec = {"values": [*MISREAD, *texts], "keys": dict.fromkeys([*MISREAD, *texts], "x")}
    resource = {"apiVersion": "v1", "kind": "Any", "metadata": {"name": "x"}, "spec": spec}
    file.write_text(yaml_text.dump(resource, "x"))
    assert as_kubernetes_reads(kubectl, file)["spec"] == spec


def test_labels_of_a_prometheus_rule_are_texts_to_kubernetes(
    config_file: Callable[[str], Path], kubectl: str, tmp_path: Path
):
    out = tmp_path / "rule.yaml"
    command = [
        "render",
        "--config.file",
        str(config_file(LABELS)),
        "--format",
        "operator",
        "--label",
        "y=1e3",
    ]
    assert main([*command, "--output", str(out)]) == 0
    found = as_kubernetes_reads(kubectl, out)
    assert found["metadata"]["labels"] == {"y": "1e3", "seen": "yes"}
    labels = [
        rule["labels"] for group in found["spec"]["groups"] for rule in group["rules"] if "alert" in rule
    ]
    assert {"y": "y", "n": "1e3", "N": "0o17", "code": "08"}.items() <= next(
        one for one in labels if "code" in one
    ).items()
