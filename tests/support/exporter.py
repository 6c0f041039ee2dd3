"""A real `bw-exporter serve` on free loopback ports, and small means to talk to it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from prometheus_client.parser import text_string_to_metric_families

from bw_simulator.sender import sign
from support.patience import limit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SECRET = "whsec_0123456789abcdefghijklmnopqrstuv"
ONE_TENANT = f"tenants: {{prod: {{webhook_secret: {SECRET}}}}}\n"
PATIENCE_SECONDS = limit(15)
CREATED_AT = int(time.time())


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    text: str


def ask(
    port: int,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
) -> Reply:
    if tls:
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            "127.0.0.1", port, timeout=PATIENCE_SECONDS, context=tls
        )
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    with contextlib.closing(connection):
        connection.request(method, path, body, dict(headers or {}))
        response = connection.getresponse()
        return Reply(response.status, dict(response.getheaders()), response.read().decode())


def event(number: int | str) -> bytes:
    """Return an event of a type that changes nothing but the counts of requests and events."""
    return json.dumps(
        {
            "id": f"evt_{number}",
            "object": "event",
            "type": "customer.created",
            "created": CREATED_AT,
            "livemode": True,
            "data": {"object": {"id": f"cus_{number}", "object": "customer"}},
        }
    ).encode()


def eventually(holds: Callable[[], object], seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until `holds` is true; a connection that is refused or cut counts as not yet."""
    until = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if holds():
                return
        assert time.monotonic() < until, "it never came true"
        time.sleep(0.05)


class RunningExporter:
    """Started with the given tenants.yaml; ends by SIGKILL at the latest when the test is over."""

    def __init__(
        self,
        folder: Path,
        config: str = ONE_TENANT,
        *flags: str,
        environ: Mapping[str, str] | None = None,
        within: Sequence[str] = (),
    ) -> None:
        """`within` is a command that runs the command behind it in its own process, such as nsenter."""
        self.config = folder / "tenants.yaml"
        if not self.config.exists():
            self.config.write_text(config)
        self.store = folder / "store.db"
        self.log_file = folder / f"log-{time.monotonic_ns()}"
        command = [
            *within, sys.executable, "-m", "bw_exporter", "serve",
            "--config.file", str(self.config),
            "--storage.url", f"sqlite:///{self.store}",
            "--web.webhook-address", "127.0.0.1:0",
            "--web.metrics-address", "127.0.0.1:0",
            "--web.workers", "2",
            "--log.format", "json",
            *flags,
        ]  # fmt: skip
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                command, stderr=log, env={**os.environ, **(environ or {})}, cwd=folder
            )
        self.public = self.private = 0
        self.tls: ssl.SSLContext | None = None
        self.authorization: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        children = [pid for role in ("public", "private", "catch_up") for pid in self.workers(role)]
        self.process.kill()
        self.process.wait()
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def entries(self, message: str = "") -> list[dict[str, object]]:
        """Return the log so far; everything in it has to be a JSON object a line."""
        lines = self.log_file.read_text().splitlines()
        return [entry for line in lines if message in (entry := json.loads(line))["msg"]]

    def _serving(self) -> list[dict[str, object]]:
        return [entry for entry in self.entries("serving") if entry["msg"] == "serving"]

    def ready(self) -> Self:
        """Wait until it serves."""

        def listening() -> bool:
            assert self.process.poll() is None, self.log_file.read_text()
            return bool(self.log_file.read_bytes().count(b"\n") and self._serving())

        eventually(listening)
        serving = self._serving()[0]
        self.public = int(str(serving["webhooks"]).rpartition(":")[2])
        self.private = int(str(serving["metrics"]).rpartition(":")[2])
        eventually(lambda: self.get("/-/ready").status == 200)
        eventually(lambda: len(self.workers("public")) == serving["workers"])
        eventually(lambda: ask(self.public, "GET", "/").status == 404)
        return self

    def get(self, path: str) -> Reply:
        return ask(self.private, "GET", path, headers=self.authorization, tls=self.tls)

    def reload(self) -> Reply:
        return ask(self.private, "POST", "/-/reload", headers=self.authorization, tls=self.tls)

    def send(self, number: int | str, tenant: str = "prod", secret: str = SECRET) -> Reply:
        body = event(number)
        signature = sign(body, secret, int(time.time()))
        return ask(self.public, "POST", f"/webhooks/{tenant}", body, {"Stripe-Signature": signature})

    def metric(self, name: str, **labels: str) -> float | None:
        for family in text_string_to_metric_families(self.get("/metrics").text):
            for sample in family.samples:
                if sample.name == name and sample.labels == labels:
                    return float(sample.value)
        return None

    def requests(self, result: str, tenant: str = "prod") -> float | None:
        return self.metric("billingwatch_webhook_requests_total", tenant=tenant, result=result)

    def workers(self, role: str) -> list[int]:
        """Return the live workers of a role, from the log and the process table."""
        started = [
            int(str(entry["pid"])) for entry in self.entries("worker started") if entry["role"] == role
        ]
        return [pid for pid in started if Path(f"/proc/{pid}").exists() and not _zombie(pid)]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return the exit status."""
        self.process.send_signal(number)
        return self.process.wait(timeout=PATIENCE_SECONDS)


Start = Callable[..., RunningExporter]
"""The fixture `start`: (configuration, *flags, environ) -> a running exporter."""


def _zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def raw(port: int, data: bytes) -> tuple[bytes, float]:
    """Send bytes, then listen until the other side closes; return what it said and after how long."""
    started = time.monotonic()
    said = b""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as connection:
        connection.sendall(data)
        with contextlib.suppress(ConnectionResetError):
            while part := connection.recv(65536):
                said += part
    return said, time.monotonic() - started
