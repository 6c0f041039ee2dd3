"""A real Prometheus on simulated days: three shops, their currencies, a weekend, and every anomaly.

Nine days, as what is shown of the last one is compared with the eight before it.

The past ends at a fixed moment, so that each run sees the same. It is made as a user would make it: `bw-exporter
simulate --history`, `promtool tsdb create-blocks-from openmetrics`, then `… from rules` in as many turns as
recordings build on one another. promtool leaves alerts out, so ALERTS is recorded from their expressions.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from bw_exporter.config import tenants
from bw_rules.detectors import THRESHOLDS
from bw_rules.groups import build
from bw_rules.groups.rule import Alert, as_mapping
from bw_rules.verify import tools
from support.patience import limit

from .board_files import selectors

END_AT = 1_793_890_800
"""Thursday, 5 November 2026, 15:00 UTC."""
STEP = 240
DAYS = 9
JOB = "billing-exporter"
INSTANCE = "127.0.0.1:9847"
EVENTFUL = "alpha"
"""The tenant to whom everything happens that can happen beside one another."""

_TENANTS = """\
defaults:
  detectors: # the past is shorter than what evidence compares with
    charge_failure_spike: {sensitivity: fixed}
    fraud_spike: {sensitivity: fixed}
    revenue_drop: {sensitivity: fixed}
    silent_lapse: {max_silence: 4h}
tenants:
  alpha: {webhook_secret: whsec_alpha}
  beta: {webhook_secret: whsec_beta}
  gamma:
    webhook_secret: whsec_gamma
    detectors:
      charge_failure_spike: {window: 30m}
      webhook_lag: {max_lag: 60s, window: 30m}
"""
_TROUBLES = (
    "alpha:charge_failure_spike@40m,alpha:duplicate_charge@35m,alpha:invoice_mismatch@50m,alpha:webhook_lag@9m,"
    "alpha:fraud_spike@20h,beta:silent_lapse@7h,gamma:revenue_drop@22h-0s,gamma:duplicate_charge@3d"
)
_LONG_BLOCKS = "--max-block-duration=256h"
"""promtool reads the whole text again for each block, so few and long ones are 20 times faster than its 2h."""


@dataclass(frozen=True)
class Past:
    """The running Prometheus and the moment at which its past ends."""

    url: str
    end_at: int = END_AT

    def get(self, path: str, **parameters: Any) -> Any:
        """Return the data of an API's answer; an error of the API raises with its text."""
        query = urllib.parse.urlencode(parameters, doseq=True)
        request = urllib.request.Request(f"{self.url}/api/v1/{path}", data=query.encode())
        if path.startswith("label/"):
            request = urllib.request.Request(f"{self.url}/api/v1/{path}?{query}")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from None

    def instant(self, expr: str, at: float | None = None) -> list[Any]:
        found: list[Any] = self.get("query", query=expr, time=at or self.end_at)["result"]
        return found

    def range(self, expr: str, start: float, end: float, step: float) -> list[Any]:
        found: list[Any] = self.get("query_range", query=expr, start=start, end=end, step=step)["result"]
        return found


@contextmanager
def lived_through(folder: Path) -> Iterator[Past]:
    """Yield the running Prometheus; skip where there is none."""
    found = [tools.find(name) for name in ("prometheus", "promtool")]
    if None in found:
        pytest.skip("prometheus and promtool are neither on PATH nor in .tools/bin; run make tools")
    prometheus, promtool = (str(Path(str(one)).resolve()) for one in found)
    data = folder / "data"
    (folder / "tenants.yaml").write_text(_TENANTS, encoding="utf-8")
    _simulate(folder)
    for name in ("past.om", "machine.om"):
        run(promtool, "tsdb", "create-blocks-from", _LONG_BLOCKS, "openmetrics", name, "data", at=folder)
    rules = _rules(folder)
    for number, turn in enumerate(_turns(rules)):
        file = folder / f"turn{number}.yml"
        file.write_text(yaml.safe_dump({"groups": [turn]}), encoding="utf-8")
        with _running(prometheus, folder, data, "") as url:
            run(
                promtool, "tsdb", "create-blocks-from", _LONG_BLOCKS, "rules", f"--url={url}",
                f"--start={END_AT - DAYS * 86_400}", f"--end={END_AT}", "--output-dir=data", file.name, at=folder,
            )  # fmt: skip
    with _running(prometheus, folder, data, "live.yml") as url:
        past = Past(url)
        _await(lambda: bool(past.instant("rate(prometheus_rule_group_iterations_total[1m])", time.time())))
        yield past


def run(*command: str, at: Path) -> None:
    done = subprocess.run(command, cwd=at, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"


def _simulate(folder: Path) -> None:
    run(
        sys.executable, "-m", "bw_exporter", "simulate", "--config.file", "tenants.yaml", "--quiet",
        "--history", f"{DAYS}d", "--step", "4m", "--end", str(END_AT), "--past", _TROUBLES,
        "--job", JOB, "--instance", INSTANCE, "--output", "played.om", at=folder,
    )  # fmt: skip
    strangers = re.compile(
        r'(billingwatch_webhook_requests_total\{[^}]*(?:tenant="alpha",result="bad_signature"|'
        r'result="unknown_tenant")[^}]*\}) \S+ (\d+)'
    )
    with (folder / "played.om").open() as played, (folder / "past.om").open("w") as past:
        for line in played:
            if match := strangers.match(line):
                knocks = max(0, (int(match[2]) - END_AT + 2 * 3600) // STEP)
                past.write(f"{match[1]} {knocks} {match[2]}\n")
            else:
                past.write(line)
    (folder / "machine.om").write_text(_machine(), encoding="utf-8")


def _machine() -> str:
    """What a simulated past leaves out: facts of the exporter's machine, and what Prometheus adds to a scrape."""
    facts = {
        "billingwatch_store_size_bytes": 1_000_000,
        "billingwatch_store_probe_duration_seconds": 0.004,
        "scrape_duration_seconds": 0.02,
        "scrape_samples_scraped": 500,
    }
    lines = []
    for name, value in facts.items():
        lines.append(f"# TYPE {name} gauge")
        moments = range(END_AT - 86_400, END_AT + 1, STEP)
        lines += [f'{name}{{job="{JOB}",instance="{INSTANCE}"}} {value} {at}' for at in moments]
    return "\n".join([*lines, "# EOF\n"])


def _rules(folder: Path) -> list[dict[str, Any]]:
    """Write the rules for the running Prometheus, and return all that are to be recorded of the past."""
    found = tenants.load(str(folder / "tenants.yaml"), detectors=THRESHOLDS)
    groups = build.groups(found, build.Settings())
    live = [{**as_mapping(group), "interval": "1s"} for group in groups]
    (folder / "live.yml").write_text(yaml.safe_dump({"groups": live}), encoding="utf-8")
    recorded = []
    for rule in (rule for group in groups for rule in group.rules):
        if isinstance(rule, Alert):
            labels = {**dict(rule.labels), "alertname": rule.name}
            firing = f"(\n{rule.expr}\n) * 0 + 1"
            recorded += [
                {"record": "ALERTS", "expr": firing, "labels": {**labels, "alertstate": "firing"}},
                {"record": "ALERTS_FOR_STATE", "expr": f"({firing}) * {END_AT - 600}", "labels": labels},
            ]
        else:
            recorded.append({"record": rule.name, "expr": rule.expr, "labels": dict(rule.labels)})
    return recorded


def _turns(rules: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Give groups of rules that read only what the groups before recorded."""
    left = rules
    while left:
        missing = {rule["record"] for rule in left}
        now = [rule for rule in left if not missing & {str(one.name) for one in selectors(rule["expr"])}]
        assert now, f"rules that read one another: {missing}"
        yield {"name": "past", "interval": f"{STEP}s", "rules": now}
        left = [rule for rule in left if rule not in now]


@contextmanager
def _running(prometheus: str, folder: Path, data: Path, rules: str) -> Iterator[str]:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{found.getsockname()[1]}"
    scrape = {"job_name": "prometheus", "scrape_interval": "1s", "static_configs": [{"targets": [address]}]}
    config = {"rule_files": [rules], "scrape_configs": [scrape]} if rules else {}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    with (folder / "prometheus.log").open("a") as log:
        process = subprocess.Popen(
            [
                prometheus,
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={data}",
                "--storage.tsdb.retention.time=50y",
                f"--web.listen-address={address}",
            ],
            cwd=folder,
            stdout=log,
            stderr=log,
        )
    try:
        url = f"http://{address}"
        _await(lambda: process.poll() is not None or _ready(url))
        assert process.poll() is None, (folder / "prometheus.log").read_text()[-3000:]
        yield url
    finally:
        process.terminate()
        process.wait(timeout=limit(60))


def _ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/-/ready", timeout=5):
            return True
    except OSError:
        return False


def _await(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + limit(120)
    while not happened():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.1)
