from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from bw_rules.detectors import DETECTORS
from bw_rules.verify import tools
from support.patience import limit
from support.processes import end, free_ports

from .sink import Sink

if TYPE_CHECKING:
    from collections.abc import Callable

DAY = 86_400
BIN = Path(sys.executable).parent
SILENCE_SECONDS = 80
CURRENCIES = ("usd", "eur", "jpy")

CONFIG = """
defaults:
  notify: [slack, pager]
  detectors:
    charge_failure_spike: {{sensitivity: fixed, window: 1m, baseline: 1d, min_failures: 20, failure_pct: 60,
      keep_firing_for: 0}}
    duplicate_charge: {{grace: 2s, hold: 1m}}
    fraud_spike: {{sensitivity: fixed, window: 1m, baseline: 1d, min_disputes: 9, keep_firing_for: 0}}
    revenue_drop: {{sensitivity: fixed, window: 1m, baseline: 1d, for: 0, keep_firing_for: 0}}
    silent_lapse: {{max_silence: {silence}s, for: 0}}
    webhook_lag: {{max_lag: 120s, window: 1m, min_events: 1, keep_firing_for: 0}}
    invoice_mismatch: {{grace: 2s, hold: 1m}}
tenants:
  bad: {{webhook_secret: whsec_bad_bad_bad_bad_bad_bad_bad}}
  good: {{webhook_secret: whsec_good_good_good_good_good_go}}
receivers:
  slack: {{slack: {{api_url: "{sink}/slack", channel: "#billing"}}}}
  pager: {{pagerduty: {{routing_key: 0123456789abcdef0123456789abcdef, url: "{sink}/pagerduty"}}}}
  ops: {{webhook: {{url: "{sink}/hook"}}}}
"""

ANOMALIES = (
    "duplicate_charge",
    "fraud_spike",
    "invoice_mismatch",
    "webhook_lag",
    "revenue_drop",
    "charge_failure_spike",
    "silent_lapse",
)
SEVEN = {("bad", DETECTORS[name].alert) for name in ANOMALIES}


class Pipeline:
    """An exporter, a Prometheus and an Alertmanager that know one another, all in one folder."""

    def __init__(self, folder: Path, sink: Sink, running: ExitStack) -> None:
        self.folder, self._running = folder, running
        self.webhooks, self.metrics, self.prometheus, self.alertmanager = free_ports(4)
        self.config = folder / "tenants.yaml"
        self.config.write_text(CONFIG.format(sink=sink.url, silence=SILENCE_SECONDS))

    def start(self) -> subprocess.Popen[bytes]:
        """Start all three on rules and routes as they are rendered, only quicker; return the exporter."""
        rules, routes = self.folder / "rules.yml", self.folder / "alertmanager.yml"
        self._rules("render", rules, {"interval: 1m": "interval: 2s", "for: 2m": "for: 5s"})
        self._rules(
            "alertmanager",
            routes,
            {"group_wait: 30s": "group_wait: 1s", "group_interval: 5m": "group_interval: 2s"},
        )
        exporter = self._spawn(
            str(BIN / "bw-exporter"), "serve", "--config.file", str(self.config),
            "--storage.url", f"sqlite:///{self.folder}/store.db", "--web.workers", "1",
            "--web.webhook-address", f"127.0.0.1:{self.webhooks}",
            "--web.metrics-address", f"127.0.0.1:{self.metrics}",
        )  # fmt: skip
        self._spawn(
            need("alertmanager"), "--config.file", str(routes), "--storage.path", str(self.folder / "am"),
            "--web.listen-address", f"127.0.0.1:{self.alertmanager}", "--cluster.listen-address=",
        )  # fmt: skip
        ready(f"http://127.0.0.1:{self.metrics}/-/ready")
        ready(f"http://127.0.0.1:{self.alertmanager}/-/ready")
        self._past()
        config = self.folder / "prometheus.yml"
        config.write_text(
            "global: {scrape_interval: 2s, evaluation_interval: 2s}\n"
            f"rule_files: [{rules}]\n"
            f"alerting: {{alertmanagers: [{{static_configs: [{{targets: ['127.0.0.1:{self.alertmanager}']}}]}}]}}\n"
            "scrape_configs:\n- job_name: billing-exporter\n"
            f"  static_configs: [{{targets: ['127.0.0.1:{self.metrics}']}}]\n"
        )
        self._spawn(
            need("prometheus"), "--config.file", str(config), "--storage.tsdb.path", str(self.folder / "tsdb"),
            "--web.listen-address", f"127.0.0.1:{self.prometheus}", "--rules.alert.resend-delay=2s",
        )  # fmt: skip
        ready(f"http://127.0.0.1:{self.prometheus}/-/ready")
        # What happens from here on is a change to what the rules have seen.
        assert wait_for(
            lambda: self._asked("count(billing_tenant_created_timestamp_seconds) == 2")["result"], 30
        )
        scraped_at = datetime.now(UTC)
        assert wait_for(lambda: self._evaluated_at() > scraped_at, 30)
        return exporter

    def simulate(self, *flags: str) -> subprocess.Popen[bytes]:
        return self._spawn(
            str(BIN / "bw-exporter"), "simulate", "--config.file", str(self.config),
            "--url", f"http://127.0.0.1:{self.webhooks}",
            "--web.metrics-address", f"127.0.0.1:{self.metrics}", "--quiet", *flags,
        )  # fmt: skip

    def _asked(self, query: str) -> Any:
        return self._told("query?" + urlencode({"query": query}))

    def _evaluated_at(self) -> datetime:
        """When the group of rules was evaluated that has waited longest."""
        groups = self._told("rules")["groups"]
        return min(datetime.fromisoformat(group["lastEvaluation"]) for group in groups)

    def _told(self, path: str) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.prometheus}/api/v1/{path}", timeout=5) as answer:
            return json.load(answer)["data"]

    def _rules(self, command: str, output: Path, quicker: dict[str, str]) -> None:
        made = [str(BIN / "bw-rules"), command, "--config.file", str(self.config), "--output", str(output)]
        subprocess.run(made, check=True, capture_output=True)
        text = output.read_text()
        for slow, quick in quicker.items():
            assert slow in text
            text = text.replace(slow, quick)
        output.write_text(text)

    def _past(self) -> None:
        """Let Prometheus know that nothing was earned yesterday, which revenue is compared with."""
        now = int(time.time())
        lines = ["# TYPE tenant:billing_revenue_minor_units:max gauge"]
        for tenant in ("bad", "good"):
            for currency in CURRENCIES:
                labels = f'tenant="{tenant}",currency="{currency}"'
                lines += [
                    f"tenant:billing_revenue_minor_units:max{{{labels}}} 0 {at}"
                    for at in range(now - DAY - 7200, now - DAY + 3600, 300)
                ]
        past = self.folder / "past.txt"
        past.write_text("\n".join([*lines, "# EOF", ""]))
        tool = need("promtool")
        made = [tool, "tsdb", "create-blocks-from", "openmetrics", str(past), str(self.folder / "tsdb")]
        subprocess.run(made, check=True, capture_output=True)

    def _spawn(self, *command: str) -> subprocess.Popen[bytes]:
        log = self._running.enter_context((self.folder / f"{Path(command[0]).name}.log").open("ab"))
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        self._running.callback(end, process)
        return process


def need(name: str) -> str:
    path = tools.find(name)
    if path is None:
        pytest.skip(f"{name} is neither on PATH nor in .tools/bin; `make tools` fetches it where it can")
    return path


def ready(url: str) -> None:
    def answers() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    assert wait_for(answers, 30), f"{url} does not answer"


def wait_for(holds: Callable[[], bool], seconds: float) -> bool:
    until = time.monotonic() + limit(seconds)
    while time.monotonic() < until:
        if holds():
            return True
        time.sleep(0.5)
    return holds()


def test_each_anomaly_reaches_slack_and_pagerduty_for_its_tenant_alone_and_is_resolved(tmp_path: Path):
    with ExitStack() as running:
        for name in ("prometheus", "alertmanager", "promtool"):
            need(name)
        sink = running.enter_context(Sink())
        pipeline = Pipeline(tmp_path, sink, running)
        exporter = pipeline.start()
        pipeline.simulate("--tenant", "good", "--rate", "4", "--duration", "10m")
        pipeline.simulate(
            "--tenant", "bad", "--rate", "4", "--duration", "40s", "--anomaly", ",".join(ANOMALIES)
        )
        wait_for(lambda: sink.paged("trigger") >= SEVEN, 180)
        assert sink.paged("trigger") == SEVEN
        slack = sink.posted(resolved=False)
        for _, alert in SEVEN:
            assert alert in slack
        assert " good: " not in slack
        links = set(re.findall(r"<([^|<>]+)\|Which ones>", slack))
        assert len(links) == 1
        with urllib.request.urlopen(links.pop(), timeout=30) as answer:
            page = answer.read().decode()
        assert "Duplicate charge" in page
        assert "Invoice mismatch" in page

        pipeline.simulate("--tenant", "bad", "--rate", "4", "--duration", "10m")
        wait_for(lambda: sink.paged("resolve") >= SEVEN, 180)
        assert sink.paged("resolve") == SEVEN
        assert sink.paged("trigger") == SEVEN
        assert "RESOLVED bad: " in sink.posted(resolved=True)

        end(exporter)
        gone_at = time.monotonic()
        assert wait_for(lambda: ("", "BillingExporterDown") in sink.hooked(), 60)
        # The last to be mistaken would be BillingSilentLapse, after that much silence; and as much again as lies
        # between its cause and its message: a scrape, an evaluation, two gatherings of Alertmanager, each of 2 s.
        time.sleep(max(0.0, gone_at + SILENCE_SECONDS + 8 - time.monotonic()))
        assert sink.hooked() == {("", "BillingExporterDown")}
        assert {alert for tenant, alert in sink.paged("trigger") if tenant == "good"} == set()
