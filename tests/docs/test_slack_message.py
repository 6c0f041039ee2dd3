"""The message that the README shows is the one that the demo's rules and routes make."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import files
import pytest
import yaml

from bw_rules.verify import tools
from support.pages import pages

ALERT = "BillingDuplicateCharge"
STARTED_AT, AS_TOLD = "2026-11-22T03:22:00Z", "2026-11-22 03:22 UTC"


def shown() -> str:
    """The message on the page."""
    return next(block.text for page in pages() for block in page.blocks if f"\n{ALERT}, since" in block.text)


def rendered(command: str, folder: Path) -> Any:
    config, output = folder / "tenants.yaml", folder / f"{command}.yml"
    config.write_text(files.TENANTS.format(sink="http://127.0.0.1:9099"))
    made = [sys.executable, "-m", "bw_rules.cli", command, "--config.file", config, "--output", output]
    subprocess.run(made, check=True)
    return yaml.safe_load(output.read_text())


def alert(rules: dict[str, Any]) -> dict[str, Any]:
    """The alert for one duplicate charge of the demo's tenant, as Prometheus would send it."""
    rule = next(
        rule
        for group in rules["groups"]
        for rule in group["rules"]
        if rule.get("alert") == ALERT and f'tenant="{files.STRUCK}"' in rule["expr"]
    )
    values = {"{{ $labels.tenant }}": files.STRUCK, '{{ $value | printf "%.0f" }}': "1"}
    rule["annotations"]["findings"] = f"http://127.0.0.1:9847/tenants/{files.STRUCK}#findings"
    annotations = json.dumps(rule["annotations"])
    for template, value in values.items():
        annotations = annotations.replace(json.dumps(template)[1:-1], value)
    assert "{{" not in annotations
    labels = {**rule["labels"], "alertname": ALERT, "tenant": files.STRUCK}
    return {
        "status": "firing",
        "labels": labels,
        "annotations": json.loads(annotations),
        "startsAt": STARTED_AT,
    }


def as_slack_shows_it(text: str) -> str:
    """Links as their words, and neither italics nor code."""
    text = re.sub(r"<[^|>]+\|([^>]+)>", r"\1", text)
    return re.sub(r"(?m)^_(.+)_$", r"\1", text).replace("`", "")


def test_the_message_of_the_readme_is_what_the_demo_sends(tmp_path: Path) -> None:
    amtool = tools.find("amtool")
    if amtool is None:
        pytest.skip("amtool is neither on PATH nor in .tools/bin; `make tools` fetches it")
    one = alert(rendered("render", tmp_path))
    data = {"status": "firing", "alerts": [one], "commonLabels": one["labels"]}
    (tmp_path / "data.json").write_text(json.dumps(data))
    (tmp_path / "none.tmpl").touch()
    slack = rendered("alertmanager", tmp_path)["receivers"][-1]["slack_configs"][0]
    said = []
    for part in ("title", "text"):
        code, text = tools.run(
            amtool, "template", "render", f"--template.glob={tmp_path}/none.tmpl",
            f"--template.text={slack[part]}", f"--template.data={tmp_path}/data.json",
        )  # fmt: skip
        assert code == 0, text
        said.append(as_slack_shows_it(text))
    assert AS_TOLD in said[1]
    assert re.sub(r"(?<=, since ).+", AS_TOLD, shown()).strip() == "\n".join(said)
