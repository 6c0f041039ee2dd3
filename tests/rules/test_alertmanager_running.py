from __future__ import annotations

import json
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import socket
from typing import Any

import pytest

from bw_exporter.config import tenants
from bw_rules.detectors import DETECTORS, THRESHOLDS
from bw_rules.render import alertmanager
from bw_rules.verify import tools
from support.patience import limit

CONFIG = """
tenants:
  both: {{webhook_secret: whsec_a, notify: [slack, pager]}}
  deaf: {{webhook_secret: whsec_a, notify: [pager]}}
  open: {{webhook_secret: whsec_a, notify: [slack]}}
  loud: {{webhook_secret: whsec_a, notify: [pager], detectors: {{silent_lapse: {{severity: critical}}}}}}
  mixed: {{webhook_secret: whsec_a, notify: [all]}}
  chatty: {{webhook_secret: whsec_a, notify: [discord]}}
receivers:
  all: {{pagerduty: {{routing_key: k, url: "{url}/pagerduty"}}}}
  discord: {{discord: {{webhook_url: "{url}/discord"}}}}
  slack: {{slack: {{api_url: "{url}/slack", channel: "#billing"}}}}
  pager: {{pagerduty: {{routing_key: k, url: "{url}/pagerduty"}}, min_severity: critical}}
"""
LAPSE, DROP = "BillingSilentLapse", "BillingRevenueDrop"
PATIENCE_SECONDS = limit(30)


@dataclass
class Told:
    """A real Alertmanager on rendered routes, and a server that stands where Slack and PagerDuty would be."""

    port: int
    messages: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def send(
        self, *alerts: dict[str, str], description: str = "d", ended: Sequence[dict[str, str]] = ()
    ) -> None:
        annotations = {
            "summary": "It is so.",
            "description": description,
            "runbook_url": "http://r",
            "dashboard_url": "http://d",
        }
        body: list[dict[str, Any]] = [{"labels": labels, "annotations": annotations} for labels in alerts]
        now = datetime.now(
            UTC
        ).isoformat()  # what began long ago would be told of before the others are there
        over = {**annotations, "description": "over"}
        body += [{"labels": one, "annotations": over, "startsAt": now, "endsAt": now} for one in ended]
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

    def texts(self, alert: str) -> dict[str, str]:
        """What each kind of receiver was told last about an alert."""
        found = {}
        for path, body in list(self.messages):
            text = {
                "/slack": lambda body: body["attachments"][0]["text"],
                "/discord": lambda body: body["embeds"][0]["description"],
                "/pagerduty": lambda body: body["payload"]["custom_details"]["what"],
            }[path](body)
            if alert in text:
                found[path] = text
        return found

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


def test_a_drop_beside_silence_is_kept_quiet_only_where_the_silence_is_as_severe(told: Told):
    silent = {"both": "warning", "deaf": "warning", "open": "warning", "loud": "critical"}
    told.send(*(alert(LAPSE, tenant, severity) for tenant, severity in silent.items()))
    eventually(lambda: len(told.posted()) == 2)
    told.send(*(alert(DROP, tenant, "critical") for tenant in silent))
    eventually(lambda: {("both", DROP, "critical"), ("deaf", DROP, "critical")} <= told.paged())
    eventually(lambda: told.held_back() == {("loud", DROP)})
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


def test_a_fault_that_touches_thousands_of_tenants_is_one_message_that_every_receiver_takes(told: Told):
    missing = {"alertname": "BillingHistoryMissing", "detector": "watchdog", "severity": "critical"}
    everyone = [{**missing, "tenant": f"t{number:04}"} for number in range(3000)]
    told.send(*everyone, description="Prometheus has no record of this tenant from 8d ago. " * 9)
    eventually(lambda: len(told.texts("BillingHistoryMissing")) == 3)
    for path, text in told.texts("BillingHistoryMissing").items():
        shown = 5 if path == "/discord" else 10
        assert text.count("BillingHistoryMissing") == shown
        assert text.endswith(f"and {3000 - shown} more\n")
        assert len(text) < (4096 if path == "/discord" else 8000)


def test_where_a_message_leaves_alerts_out_it_shows_those_that_fire(told: Told):
    missing = {"alertname": "BillingHistoryMissing", "detector": "watchdog", "severity": "critical"}
    ended = [{**missing, "tenant": f"t{number:02}"} for number in range(11)]
    told.send({**missing, "tenant": "t11"}, description="still so", ended=ended)
    eventually(lambda: len(told.texts("BillingHistoryMissing")) == 3)
    for text in told.texts("BillingHistoryMissing").values():
        assert text.startswith("still so")
        assert text.endswith("and 11 more\n")
        assert "over" not in text
