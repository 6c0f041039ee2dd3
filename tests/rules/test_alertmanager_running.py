from __future__ import annotations

import json
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import socket
from typing import Any

import pytest

from bw_exporter import tenants
from bw_rules import tools
from bw_rules.detectors import DETECTORS, THRESHOLDS
from bw_rules.render import alertmanager

CONFIG = """
tenants:
  both: {{webhook_secret: whsec_a, notify: [slack, pager]}}
  deaf: {{webhook_secret: whsec_a, notify: [pager]}}
  open: {{webhook_secret: whsec_a, notify: [slack]}}
  loud: {{webhook_secret: whsec_a, notify: [pager], detectors: {{silent_lapse: {{severity: critical}}}}}}
  mixed: {{webhook_secret: whsec_a, notify: [all]}}
receivers:
  all: {{pagerduty: {{routing_key: k, url: "{url}/pagerduty"}}}}
  slack: {{slack: {{api_url: "{url}/slack", channel: "#billing"}}}}
  pager: {{pagerduty: {{routing_key: k, url: "{url}/pagerduty"}}, min_severity: critical}}
"""
LAPSE, DROP = "BillingSilentLapse", "BillingRevenueDrop"
PATIENCE_SECONDS = 30


@dataclass
class Told:
    """A real Alertmanager on rendered routes, and a server that stands where Slack and PagerDuty would be."""

    port: int
    messages: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def send(self, *alerts: dict[str, str]) -> None:
        annotations = {
            "summary": "It is so.",
            "description": "d",
            "runbook_url": "http://r",
            "dashboard_url": "http://d",
        }
        body = [{"labels": labels, "annotations": annotations} for labels in alerts]
        self.ask("alerts", json.dumps(body).encode())

    def ask(self, path: str, body: bytes | None = None) -> Any:
        url = f"http://127.0.0.1:{self.port}/api/v2/{path}"
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def paged(self) -> set[tuple[str, str, str]]:
        """(tenant, alert, severity) of all that PagerDuty was told."""
        found = [body["payload"] for path, body in list(self.messages) if path == "/pagerduty"]
        return {(one.get("group", ""), one["class"], one["severity"]) for one in found}

    def posted(self) -> set[str]:
        """Title and colour of all that Slack was told."""
        found = [body["attachments"][0] for path, body in list(self.messages) if path == "/slack"]
        return {
            f"{one['title']} [{one['color']}] {alert}"
            for one in found
            for alert in (LAPSE, DROP)
            if alert in one["text"]
        }

    def held_back(self) -> set[tuple[str, str]]:
        """(tenant, alert) of what Alertmanager keeps quiet now."""
        found = self.ask("alerts?inhibited=true&active=true")
        return {
            (one["labels"].get("tenant", ""), one["labels"]["alertname"])
            for one in found
            if one["status"]["inhibitedBy"]
        }


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Told]:
    program = tools.find("alertmanager")
    if program is None:
        pytest.skip("alertmanager is neither on PATH nor in .tools/bin; `make tools` fetches it where it can")
    with ExitStack() as running:
        probe = running.enter_context(socket())
        probe.bind(("127.0.0.1", 0))
        found = Told(probe.getsockname()[1])
        probe.close()
        server = ThreadingHTTPServer(("127.0.0.1", 0), sink(found.messages))
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        running.callback(thread.join)
        running.callback(server.server_close)
        running.callback(server.shutdown)
        file, routes = tmp_path / "tenants.yaml", tmp_path / "alertmanager.yml"
        file.write_text(CONFIG.format(url=f"http://127.0.0.1:{server.server_port}"))
        loaded = tenants.load(str(file), detectors=THRESHOLDS, read_secrets=False)
        text = alertmanager.render(alertmanager.routing(loaded, (0, 25)), "tenants.yaml")
        routes.write_text(text.replace("group_wait: 30s", "group_wait: 1s"))
        process = subprocess.Popen(
            [program, f"--config.file={routes}", f"--storage.path={tmp_path}/data", "--cluster.listen-address=",
             f"--web.listen-address=127.0.0.1:{found.port}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        running.callback(process.wait)
        running.callback(process.kill)
        eventually(lambda: found.ask("status"))
        yield found


def sink(messages: list[tuple[str, dict[str, Any]]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            messages.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            self.send_response(202 if self.path == "/pagerduty" else 200)
            self.end_headers()
            self.wfile.write(b'{"status": "success"}' if self.path == "/pagerduty" else b"ok")

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

    return Handler


def eventually(holds: Callable[[], object]) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            if holds():
                return
        except OSError:
            pass
        assert time.monotonic() < until, "it never came true"
        time.sleep(0.1)


def alert(name: str, tenant: str, severity: str, **more: str) -> dict[str, str]:
    detector = next(key for key, one in DETECTORS.items() if one.alert == name)
    return {"alertname": name, "tenant": tenant, "severity": severity, "detector": detector, **more}


def test_a_drop_beside_silence_is_kept_from_those_alone_who_are_told_of_the_silence(told: Told):
    silent = {"both": "warning", "deaf": "warning", "open": "warning", "loud": "critical"}
    told.send(*(alert(LAPSE, tenant, severity) for tenant, severity in silent.items()))
    eventually(lambda: len(told.posted()) == 2)
    told.send(*(alert(DROP, tenant, "critical") for tenant in silent))
    eventually(lambda: {("both", DROP, "critical"), ("deaf", DROP, "critical")} <= told.paged())
    eventually(lambda: told.held_back() == {("open", DROP), ("loud", DROP)})
    assert told.paged() == {
        ("both", DROP, "critical"), ("deaf", DROP, "critical"), ("loud", LAPSE, "critical"),
    }  # fmt: skip


def test_a_group_of_several_severities_is_told_at_the_worst(told: Told):
    told.send(
        alert(DROP, "mixed", "info", currency="jpy"),
        alert(DROP, "mixed", "critical", currency="usd"),
        alert(DROP, "open", "info", currency="jpy"),
        alert(DROP, "open", "warning", currency="eur"),
    )
    eventually(lambda: ("mixed", DROP, "critical") in told.paged())
    eventually(lambda: any("WARNING open: It is so. [warning]" in post for post in told.posted()))


def test_one_shards_dead_exporter_keeps_no_other_shard_quiet(told: Told):
    down = {"alertname": "BillingExporterDown", "detector": "watchdog", "severity": "critical"}
    told.send({**down, "shard": "0"})
    told.send(alert(DROP, "deaf", "critical", shard="0"), alert(DROP, "loud", "critical", shard="1"))
    eventually(lambda: ("loud", DROP, "critical") in told.paged())
    eventually(lambda: told.held_back() == {("deaf", DROP)})
