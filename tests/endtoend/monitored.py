"""An exporter and a Prometheus that both go on from one simulated past."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bw_rules.verify import tools
from support.patience import limit
from support.processes import free_ports, started

BIN = Path(sys.executable).parent
HISTORY = "78h"
INSTANCE = "127.0.0.1:9847"

CONFIG = """\
# The detectors' own thresholds, without the waiting; but a shop this small sells half as much on many a Sunday.
defaults:
  detectors:
    charge_failure_spike: {sensitivity: fixed, baseline: 2d, keep_firing_for: 0}
    fraud_spike: {sensitivity: fixed, baseline: 2d, keep_firing_for: 0}
    revenue_drop: {sensitivity: fixed, baseline: 2d, drop_pct: 80, for: 0, keep_firing_for: 0}
    silent_lapse: {max_silence: 4h, for: 0}
    webhook_lag: {min_events: 1, keep_firing_for: 0}
    mrr_drop: {for: 0, keep_firing_for: 0}
tenants:
  calm: {webhook_secret: whsec_calm}
  gone: {webhook_secret: whsec_gone, detectors: {revenue_drop: {enabled: false}}}  # as Alertmanager would hide it
  struck: {webhook_secret: whsec_struck}
"""

PAST = (
    "struck:revenue_drop@23h,struck:fraud_spike@5h,struck:invoice_mismatch@40m,struck:mrr_drop@35m,struck:charge_failure_spike@30m,"
    "struck:duplicate_charge@20m,struck:webhook_lag@5m,gone:silent_lapse@6h"
)


@dataclass(frozen=True)
class Monitored:
    """Where both answer, and when the past ended (Unix seconds)."""

    folder: Path
    webhooks: int
    metrics: int
    prometheus: int
    end_at: int

    def exposed(self) -> str:
        """What the exporter exposes now, in the classic format."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics}/metrics", timeout=30) as answer:
            return str(answer.read().decode())

    def asked(self, query: str, at: float | None = None) -> list[dict[str, Any]]:
        """What Prometheus answers at a moment, or now."""
        parameters = {"query": query} | ({} if at is None else {"time": str(at)})
        return list(self._api(f"query?{urllib.parse.urlencode(parameters)}")["result"])

    def firing(self) -> set[tuple[str, str]]:
        """(tenant, alert) of all that fires now."""
        return {
            (alert["labels"].get("tenant", ""), alert["labels"]["alertname"])
            for alert in self._api("alerts")["alerts"]
            if alert["state"] == "firing"
        }

    def recorded_names(self) -> set[str]:
        """Every name that the loaded rules record."""
        rules = yaml.safe_load((self.folder / "rules.yml").read_text())
        return {rule["record"] for group in rules["groups"] for rule in group["rules"] if "record" in rule}

    def simulate(self, *flags: str) -> None:
        """Post live traffic."""
        config, url = str(self.folder / "tenants.yaml"), f"http://127.0.0.1:{self.webhooks}"
        private = f"127.0.0.1:{self.metrics}"
        run(
            str(BIN / "bw-exporter"), "simulate", "--config.file", config, "--url", url,
            "--web.metrics-address", private, "--quiet", *flags,
        )  # fmt: skip

    def _api(self, path: str) -> dict[str, Any]:
        with urllib.request.urlopen(
            f"http://127.0.0.1:{self.prometheus}/api/v1/{path}", timeout=limit(60)
        ) as answer:
            return dict(json.load(answer)["data"])


@contextmanager
def monitored(folder: Path) -> Iterator[Monitored]:
    """Live through the past, then start the exporter on its store and Prometheus on its blocks."""
    config, store = folder / "tenants.yaml", f"sqlite:///{folder}/store.db"
    past, rules, data = folder / "past.om", folder / "rules.yml", folder / "data"
    config.write_text(CONFIG)
    end_at = int(time.time())
    run(
        str(BIN / "bw-exporter"), "simulate", "--config.file", str(config), "--storage.url", store,
        "--history", HISTORY, "--step", "4m", "--end", str(end_at), "--past", PAST, "--quiet",
        "--instance", INSTANCE, "--output", str(past),
    )  # fmt: skip
    run(str(BIN / "bw-rules"), "render", "--config.file", str(config), "--output", str(rules))
    run(str(BIN / "bw-rules"), "record", "--rules", str(rules), "--past", str(past), "--output", str(data))
    rules.write_text(rules.read_text().replace("interval: 1m\n", "interval: 2s\n"))
    webhooks, metrics, prometheus = free_ports(3)
    (folder / "prometheus.yml").write_text(
        "global: {scrape_interval: 2s}\n"
        f"rule_files: [{rules}]\n"
        "scrape_configs:\n- job_name: billing-exporter\n"
        f"  static_configs: [{{targets: ['127.0.0.1:{metrics}'], labels: {{instance: '{INSTANCE}'}}}}]\n"
    )
    with ExitStack() as running:
        for port, command in (
            (metrics, [
                str(BIN / "bw-exporter"), "serve", "--config.file", str(config), "--storage.url", store,
                "--web.webhook-address", f"127.0.0.1:{webhooks}",
                "--web.metrics-address", f"127.0.0.1:{metrics}", "--web.workers", "1",
            ]),
            (prometheus, [
                str(tools.find("prometheus")), f"--config.file={folder}/prometheus.yml",
                f"--storage.tsdb.path={data}", f"--web.listen-address=127.0.0.1:{prometheus}",
            ]),
        ):  # fmt: skip
            log = running.enter_context((folder / f"{port}.log").open("wb"))
            running.enter_context(started(command, stdout=log, stderr=log))
            wait_for(lambda port=port: ready(port), 60)  # type: ignore[misc]
        yield Monitored(folder, webhooks, metrics, prometheus, end_at)


def run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"


def ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def wait_for(holds: Callable[[], bool], seconds: float) -> None:
    until = time.monotonic() + limit(seconds)
    while not holds():
        assert time.monotonic() < until, "it never came true"
        time.sleep(0.2)
