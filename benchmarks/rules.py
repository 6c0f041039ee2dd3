"""The rules of many tenants: rendered, checked by promtool, and evaluated by a real Prometheus.

The yardstick is one rule for each tenant, which the same generator makes when every tenant has a label of
its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import socket

from benchmarks.row import Row
from bw_rules.verify import tools

TENANTS = 10_000
OVERRIDES = 500
DISTINCT = 20
COMPARED = 1_000
INTERVAL_SECONDS = 60
SECONDS_ALLOWED = 5
BYTES_ALLOWED = 300_000
DAY = 86_400
LOOKED_AT = (8 * DAY, 7 * DAY + 3600, 7 * DAY, DAY, 3600, 900)
"""How long ago (seconds) the default thresholds look."""

PAST = {
    "tenant:billing_charge_failures:max": 44,
    "tenant:billing_charge_attempts:max": 4000,
    "tenant:billing_disputes:max": 5,
    "tenant:billing_duplicate_charges:max": 0,
    "tenant:billing_invoice_mismatches:max": 0,
    "tenant:billing_webhook_lag_seconds_late30s:max": 0,
    "tenant:billing_events:max": 5005,
    "tenant:billingwatch_webhook_refused:max": 0,
    "tenant:billingwatch_webhook_accepted:max": 5005,
    "tenant:billingwatch_store_errors:max": 0,
}
"""What Prometheus recorded of each tenant long ago: as much as today, so that nothing fires."""


def run(quick: bool) -> list[Row]:  # noqa: FBT001 - the benchmarks' signature
    """Render 10,000 tenants' rules, check them, and let Prometheus evaluate them on live series."""
    with tempfile.TemporaryDirectory(prefix="bw-bench-") as name:
        folder = Path(name)
        rows = [*_rendering(folder)]
        promtool, prometheus = tools.find("promtool"), tools.find("prometheus")
        if promtool is not None:
            rows += _checking(folder, promtool)
        if prometheus is not None and not quick:
            rows += _evaluating(folder, prometheus)
        return rows


def _rendering(folder: Path) -> list[Row]:
    seconds, size = _render(folder, "shared", TENANTS)
    _, small = _render(folder, "shared-small", COMPARED)
    each_seconds, each = _render(folder, "each", COMPARED, own_rules=True)
    return [
        Row(
            f"{seconds:.2f} s", f"bw-rules render, {TENANTS} tenants", "under 5 s", seconds < SECONDS_ALLOWED
        ),
        Row(f"{size / 1000:.0f} KB", f"rule file of {TENANTS} tenants", "under 300 KB", size < BYTES_ALLOWED),
        Row(
            f"{each / small:.0f}x",
            f"rule file, one rule per tenant over shared rules, {COMPARED} tenants",
            figures=f"{each / 1000:.0f} KB in {each_seconds:.1f} s, {small / 1000:.0f} KB",
        ),
    ]


def _render(folder: Path, name: str, count: int, *, own_rules: bool = False) -> tuple[float, int]:
    config, rules = folder / f"{name}.yaml", folder / f"{name}.rules.yml"
    config.write_text(_tenants(count, own_rules=own_rules))
    started = time.perf_counter()
    command = [sys.executable, "-m", "bw_rules.cli", "render", "--config.file", str(config)]
    subprocess.run([*command, "--output", str(rules)], check=True, env=_environment())
    return time.perf_counter() - started, rules.stat().st_size


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def _tenants(count: int, *, own_rules: bool) -> str:
    lines = ["tenants:"]
    for number in range(count):
        extra = ""
        if own_rules:
            extra = f", labels: {{own: t{number}}}"
        elif number < OVERRIDES:
            extra = f", detectors: {{charge_failure_spike: {{min_failures: {number % DISTINCT + 6}}}}}"
        lines.append(f"  tenant-{number}: {{webhook_secret: whsec_a{extra}}}")
    return "\n".join(lines) + "\n"


def _checking(folder: Path, promtool: str) -> list[Row]:
    shared = _check(promtool, folder / "shared.rules.yml")
    small = _check(promtool, folder / "shared-small.rules.yml")
    each = _check(promtool, folder / "each.rules.yml")
    return [
        Row(f"{shared:.2f} s", f"promtool check rules --lint-fatal, {TENANTS} tenants", "clean", met=True),
        Row(
            f"{each / small:.0f}x",
            f"promtool check, one rule per tenant over shared rules, {COMPARED} tenants",
            figures=f"{each:.2f} s, {small:.2f} s",
        ),
    ]


def _check(promtool: str, rules: Path) -> float:
    started = time.perf_counter()
    code, said = tools.run(promtool, "check", "rules", "--lint-fatal", str(rules))
    if code:
        raise RuntimeError(said)
    return time.perf_counter() - started


def _evaluating(folder: Path, prometheus: str) -> list[Row]:
    """Scrape a page of every series the rules read, and ask Prometheus what its groups took."""
    exported = _exported(TENANTS)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(exported))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    _remember(folder)
    try:
        loaded = {
            name: _prometheus(folder, prometheus, name, server.server_port, evaluate=name == "shared")
            for name in ("empty", "shared", "each")
        }
    finally:
        server.shutdown()
    loading = loaded["shared"][0] - loaded["empty"][0]
    each = loaded["each"][0] - loaded["empty"][0]
    group, slowest = max(loaded["shared"][1].items(), key=lambda item: item[1])
    return [
        Row(
            f"{max(loading, 0):.2f} s",
            f"Prometheus ready later with the rules of {TENANTS} tenants",
            "within 1 s",
            loading < 1,
            f"{loaded['empty'][0]:.2f} s without rules; {each:.2f} s more with one rule per tenant, {COMPARED}",
        ),
        Row(
            f"{slowest / INTERVAL_SECONDS:.1%}",
            f"of its interval that the slowest group takes, {TENANTS} tenants",
            "a tenth",
            slowest <= INTERVAL_SECONDS / 10,
            f"{group} {slowest:.2f} s; all {sum(loaded['shared'][1].values()):.2f} s",
        ),
    ]


def _remember(folder: Path) -> None:
    """Give Prometheus' store the points of the past that the rules look at."""
    promtool = tools.find("promtool")
    if promtool is None:
        raise RuntimeError("promtool is not there although prometheus is; run make tools")
    now = int(time.time())
    points = [now - ago - back for ago in LOOKED_AT for back in (1800, 600)]
    past = folder / "past.txt"
    with past.open("w") as file:
        for name, value in PAST.items():
            file.write(f"# TYPE {name} gauge\n")
            for number in range(TENANTS):
                file.writelines(f'{name}{{tenant="tenant-{number}"}} {value} {at}\n' for at in sorted(points))
        file.write("# EOF\n")
    tools.run(promtool, "tsdb", "create-blocks-from", "openmetrics", str(past), str(folder / "shared"))


def _prometheus(
    folder: Path, prometheus: str, name: str, exporter: int, *, evaluate: bool
) -> tuple[float, dict[str, float]]:
    """Return (seconds until ready, seconds of each group's last evaluation)."""
    rules = folder / f"{name}.rules.yml"
    if not rules.exists():
        rules.write_text("groups: []\n")
    config = folder / f"{name}.prometheus.yml"
    config.write_text(
        f"global: {{scrape_interval: 15s, evaluation_interval: 1m}}\nrule_files: [{rules}]\n"
        "scrape_configs:\n- job_name: billing-exporter\n"
        f"  static_configs: [{{targets: ['127.0.0.1:{exporter}']}}]\n"
    )
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    started = time.perf_counter()
    arguments = [
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / name}",
        f"--web.listen-address={address}",
    ]
    process = subprocess.Popen([prometheus, *arguments], stderr=subprocess.DEVNULL)
    try:
        while not _answers(f"http://{address}/-/ready"):
            time.sleep(0.02)
        ready = time.perf_counter() - started
        return ready, _group_seconds(address) if evaluate else {}
    finally:
        process.terminate()
        process.wait()


def _group_seconds(address: str) -> dict[str, float]:
    """Wait until every group has been evaluated on scraped series, and return what each took."""
    since = time.time() + INTERVAL_SECONDS
    while True:
        time.sleep(5)
        with urllib.request.urlopen(f"http://{address}/api/v1/rules") as answer:
            groups = json.load(answer)["data"]["groups"]
        if time.time() > since + INTERVAL_SECONDS:
            return {group["name"]: group["evaluationTime"] for group in groups}


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:  # noqa: S310 - loopback
            return bool(answer.status == 200)  # noqa: PLR2004 - HTTP's OK
    except OSError:
        return False


def _exported(count: int) -> bytes:
    now = int(time.time())
    per_tenant = (
        ("billing_charge_failures_total", 'reason="other"', 40),
        ("billing_charge_failures_total", 'reason="expired_card"', 4),
        ("billing_charge_attempts_total", "", 4000),
        ("billing_disputes_total", 'reason="fraudulent"', 3),
        ("billing_disputes_total", 'reason="other"', 2),
        ("billing_revenue_minor_units_total", 'currency="usd"', 1_000_000),
        ("billing_revenue_minor_units_total", 'currency="eur"', 2_000_000),
        ("billing_duplicate_charges_total", "", 0),
        ("billing_invoice_checks_total", 'verdict="mismatch"', 0),
        ("billing_webhook_lag_seconds_count", "", 5000),
        ("billing_webhook_lag_seconds_bucket", 'le="30.0"', 5000),
        ("billing_last_event_timestamp_seconds", "", now),
        ("billing_tenant_created_timestamp_seconds", "", now - 40 * DAY),
        ("billing_events_total", 'type="charge.succeeded"', 5000),
        ("billing_events_total", 'type="other"', 5),
        ("billingwatch_webhook_requests_total", 'result="accepted"', 5005),
        ("billingwatch_webhook_requests_total", 'result="bad_signature"', 0),
        ("billingwatch_webhook_requests_total", 'result="store_error"', 0),
    )
    lines = [
        f'{name}{{tenant="tenant-{number}"{"," if labels else ""}{labels}}} {value}'
        for name, labels, value in per_tenant
        for number in range(count)
    ]
    lines += [f'billing_currency_minor_units{{currency="{code}"}} 100' for code in ("usd", "eur")]
    return ("\n".join(lines) + "\n").encode()


def _handler(page: bytes) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

    return Handler
