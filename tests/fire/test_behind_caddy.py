"""Behind the shipped proxy honest senders do not notice a thousand slow clients."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bw_rules.verify import tools
from support.exporter import PATIENCE_SECONDS, SECRET, RunningExporter, Start, ask, eventually

from .crowd import LONG, Senders, allow_open_files, percentile

CADDYFILE = Path(__file__).parents[2] / "deploy/caddy/Caddyfile"
NO_LIMIT = f"tenants: {{prod: {{webhook_secret: {SECRET}, rate_limit: {{rate: 0}}}}}}\n"
SLOW = 1000
SHAKEN = SLOW if LONG else 100
"""How many of them finish the handshake, which costs both sides; the others stop in it."""

HEAD = b"POST /webhooks/prod HTTP/1.1\r\nHost: localhost\r\n"
BEGINNINGS = (
    b"POST /webho",
    HEAD,
    HEAD + b"Content-Length: 1000\r\n\r\n{",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\na",
)


@dataclass(frozen=True)
class Proxy:
    port: int
    tls: ssl.SSLContext


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def local(text: str, exporter: RunningExporter, port: int) -> str:
    """The shipped file with this machine's ports, a certificate of Caddy's own, and 2.6's words where it is that."""
    changes = {
        r"exporter:8000": f"127.0.0.1:{exporter.public}",
        r"https_port 8443": f"https_port {port}",
        r"http_port 8080": f"http_port {free_port()}",
        r"127\.0\.0\.1:8081": f"127.0.0.1:{free_port()}",
        r"issuer acme \{[^}]*\}": "issuer internal",
        r"admin off": "admin off\n\tskip_install_trust",
    }
    for old, new in changes.items():
        text, number = re.subn(old, new, text)
        assert number == 1, old
    return text


@pytest.fixture
def proxied(start: Start, tmp_path: Path) -> Iterator[tuple[RunningExporter, Proxy]]:
    caddy = tools.find("caddy")
    if caddy is None:
        pytest.skip("caddy is neither on PATH nor in .tools/bin; `make tools` fetches it where it can be had")
    exporter, port = start(NO_LIMIT), free_port()
    text = local(CADDYFILE.read_text(), exporter, port)
    version = subprocess.run([caddy, "version"], capture_output=True, text=True, check=True).stdout
    if tuple(map(int, re.findall(r"\d+", version)[:2])) < (2, 7):
        text = re.sub(r"\brequest_buffers (\S+)", r"buffer_requests\nmax_buffer_size \1", text)
    (tmp_path / "Caddyfile").write_text(text)
    folders = {name: str(tmp_path) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")}
    with (tmp_path / "caddy.log").open("wb") as log:
        process = subprocess.Popen(
            [caddy, "run", "--config", str(tmp_path / "Caddyfile"), "--adapter", "caddyfile"],
            stdout=log, stderr=log, env={**os.environ, **folders, "BILLINGWATCH_DOMAIN": "localhost"},
        )  # fmt: skip
    try:
        authority = tmp_path / "caddy/pki/authorities/local/root.crt"
        eventually(lambda: authority.exists() or process.poll() is not None)
        assert process.poll() is None, (tmp_path / "caddy.log").read_text()
        eventually(lambda: b"END CERTIFICATE" in authority.read_bytes())
        tls = ssl.create_default_context(cafile=str(authority))
        eventually(lambda: _serves(port, tls))
        yield exporter, Proxy(port, tls)
    finally:
        process.kill()
        process.wait()


def _serves(port: int, tls: ssl.SSLContext) -> bool:
    with (
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as plain,
        tls.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return connection.recv(100).startswith(b"HTTP/1.1 404 ")


def slow_ones(stack: contextlib.ExitStack, proxy: Proxy) -> None:
    for number in range(SLOW):
        plain = stack.enter_context(socket.create_connection(("127.0.0.1", proxy.port), timeout=30))
        if number < SHAKEN:
            shaken = stack.enter_context(proxy.tls.wrap_socket(plain, server_hostname="localhost"))
            shaken.sendall(BEGINNINGS[number % 4])
        elif number % 2:
            plain.sendall(b"\x16\x03\x01\x02\x00\x01")


def test_honest_senders_do_not_notice_a_thousand_slow_ones(
    proxied: tuple[RunningExporter, Proxy], figure: Callable[[str], None]
):
    allow_open_files(4096)
    exporter, proxy = proxied
    events = 1000 if LONG else 100
    with contextlib.ExitStack() as stack:
        with Senders(proxy.port, 2, pause=0.01, tls=proxy.tls, name="alone") as alone:
            alone.wait_for(events)
        slow_ones(stack, proxy)
        with Senders(proxy.port, 2, pause=0.01, tls=proxy.tls, name="beside") as beside:
            beside.wait_for(events)
        assert exporter.get("/metrics").status == 200
        assert ask(exporter.public, "GET", "/").status == 404, "none of them got through to the exporter"
    assert set(alone.answers) == set(beside.answers) == {200}
    counted = exporter.metric("billing_events_total", tenant="prod", type="other")
    assert counted == alone.acknowledged + beside.acknowledged
    figure(
        f"{SLOW} slow clients, {SHAKEN} of them past the handshake: p99 of an honest event"
        f" {percentile(alone.took, 99) * 1000:.0f} ms alone, {percentile(beside.took, 99) * 1000:.0f} ms beside them;"
        f" {counted:.0f} acknowledged and counted"
    )


def test_what_stripe_posts_to_a_wrong_path_passes_the_shipped_proxy_to_be_counted_and_nothing_else_does(
    proxied: tuple[RunningExporter, Proxy],
):
    exporter, proxy = proxied
    signed = "Stripe-Signature: t=1,v1=a"
    for path in ("/", "/hooks/prod"):
        for method, header in (("POST", signed), ("POST", "Accept: */*"), ("GET", signed)):
            assert _status(proxy, method, path, header) == 404
    assert _status(proxy, "GET", "/-/healthy", signed) == 404
    assert _status(proxy, "POST", "/webhooks/prod", signed) == 400
    eventually(lambda: exporter.requests("unknown_tenant", tenant="") == 2)


def _status(proxy: Proxy, method: str, path: str, header: str) -> int:
    with (
        socket.create_connection(("127.0.0.1", proxy.port), timeout=PATIENCE_SECONDS) as plain,
        proxy.tls.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{header}\r\nContent-Length: 0\r\nConnection: close"
        connection.sendall(f"{head}\r\n\r\n".encode())
        return int(connection.recv(100).split()[1])
