"""What web pages, guessers and neighbours may try on the private listener."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from pathlib import Path

import bcrypt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bw_exporter.monitoring import web_pages
from bw_exporter.monitoring.basic_auth import BasicAuth
from bw_exporter.monitoring.known_logins import KnownLogins
from support.exporter import RunningExporter, Start, ask


def test_it_is_bound_to_loopback_unless_told_otherwise(tmp_path: Path):
    environ = {name: value for name, value in os.environ.items() if not name.startswith("BW_")}
    command = [sys.executable, "-m", "bw_exporter", "serve", "--help"]
    said = subprocess.run(
        command, capture_output=True, text=True, check=True, env=environ, cwd=tmp_path
    ).stdout
    assert "default: 127.0.0.1:9847]" in " ".join(said.split())


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}],
    ids=str,
)
def test_no_web_page_can_ask_for_a_reload(exporter: RunningExporter, headers: dict[str, str]):
    reply = ask(exporter.private, "POST", "/-/reload", headers=headers)
    assert (reply.status, "curl -X POST" in reply.text) == (403, True)
    assert exporter.reload().status == 200


@pytest.mark.parametrize("path", ["/", "/metrics", "/findings", "/-/ready", "/-/reload", "/nothing"])
def test_a_name_that_a_stranger_points_at_loopback_is_not_answered(exporter: RunningExporter, path: str):
    method = "POST" if path == "/-/reload" else "GET"
    for name in ("evil.example", "evil.example:9847", "127.0.0.1.evil.example", "localhost.evil.example."):
        reply = ask(exporter.private, method, path, headers={"Host": name})
        assert (reply.status, "Host" in reply.text) == (421, True)


@pytest.mark.parametrize(
    "name",
    [
        "localhost",
        "localhost:9847",
        "127.0.0.1",
        "127.1.2.3:1",
        "[::1]:9847",
        "monitor",
        "bw.localhost",
        "10.0.0.1",
    ],
)
def test_names_that_are_nobodys_to_point_are_answered(exporter: RunningExporter, name: str):
    assert ask(exporter.private, "GET", "/metrics", headers={"Host": name}).status == 200


def test_a_listener_for_a_network_answers_to_any_name():
    assert not web_pages.may_be_rebound("exporter.monitoring.svc:9847", "0.0.0.0")
    assert not web_pages.may_be_rebound("exporter.monitoring.svc:9847", "10.0.0.7")
    assert web_pages.may_be_rebound("exporter.monitoring.svc:9847", "::1")


def test_wrong_passwords_are_told_once_a_minute_without_names_and_passwords(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    auth = BasicAuth({"prometheus": bcrypt.hashpw(b"right", bcrypt.gensalt(4)).decode()}, KnownLogins())
    minute = [0.0]
    monkeypatch.setattr("bw_exporter.monitoring.basic_auth.time.monotonic", lambda: minute[0])
    for minute[0] in (0.0, 1.0, 2.0, 61.0):
        assert not auth.accepts("guessed-name", "guessed-password")
    told = [record for record in caplog.records if "wrong name or password" in record.getMessage()]
    assert [vars(record)["times"] for record in told] == [1, 3]
    assert not any("guessed" in str(vars(record)) for record in told)


@pytest.mark.parametrize("name", ["\ud800", "\x00", "x" * 10_000, ""])
def test_any_name_and_any_password_is_right_or_wrong(name: str):
    auth = BasicAuth({"prometheus": bcrypt.hashpw(b"right", bcrypt.gensalt(4)).decode()}, KnownLogins())
    assert not auth.accepts(name, name)
    assert not auth.accepts("prometheus", name)


@pytest.mark.parametrize(
    "question", ["since=999999999999y", "since=%ff", "limit=-1", "limit=1e9", "limit=%D9%A3", "since="]
)
def test_a_mistaken_question_is_the_askers_mistake(exporter: RunningExporter, question: str):
    reply = exporter.get(f"/findings?{question}")
    assert reply.status == 400
    assert reply.headers["Content-Type"].startswith("text/plain")


_METHODS = st.sampled_from(("GET", "HEAD", "OPTIONS", "PUT", "G"))
_HEADERS = st.sampled_from(
    ("Accept", "Accept-Encoding", "Accept-Language", "Authorization", "Cookie", "Content-Type", "Content-Length",
     "Host", "If-None-Match", "If-Modified-Since", "If-Range", "Range", "Origin", "Referer", "Expect",
     "Transfer-Encoding", "X-Forwarded-Host", "X-Forwarded-Prefix", "Prometheus-Scrape-Timeout-Seconds", "X")
)  # fmt: skip
_VALUES = st.lists(
    st.sampled_from(
        ("text/plain", "application/openmetrics-text", ";", ",", "=", '"', "version=", '"1.0.0', "q=", "nan", "1e999",
         "-1", "gzip", "*", "*/*", "*0*=", "%", "utf-8''", "Basic ", "Bearer ", "OnJpZ2h0", "bytes=", "0-", "-", "[",
         "]", ":", "@", "127.0.0.1", "localhost", "W/", "GMT", "9" * 400, "\\", "\t", " ", "chunked", "\xff", "\x7f")
    )
    | st.text(max_size=6),
    max_size=8,
).map("".join)  # fmt: skip
_QUERIES = st.lists(
    st.sampled_from(
        ("tenant=", "since=", "limit=", "q=", "state=", "page=", "&", ";", "=", "%00", "%ff", "%", "+", "1", "7d",
         "prod",         "9" * 400, "292y", "%D9%A3", "-1", "refused", "'", "--", "%2e%2e/", "[", "]")
    ),
    max_size=6,
).map("".join)  # fmt: skip
_PATHS = st.sampled_from(
    ("/", "/metrics", "/findings", "/tenants/prod", "/tenants/%00", "/tenants/%ff", "/tenants/..%2f",
     "/static/page.css", "/static/%00", "/static/..%2f..%2fetc/passwd", "/-/healthy",
     "/-/reload", "//", "/%", "*", "http://[/", "http://x/")
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(("GET", "HEAD", "OPTIONS", "PUT", "G")),
    _PATHS,
    _QUERIES,
    st.lists(st.tuples(_HEADERS, _VALUES)),
)
def test_no_request_to_the_private_listener_is_answered_with_a_server_error(
    exporter: RunningExporter, method: str, path: str, query: str, headers: list[tuple[str, str]]
):
    lines = [f"{method} {path}?{query} HTTP/1.1", "Connection: close", *map(": ".join, headers)]
    if not any(name == "Host" for name, _ in headers):
        lines.append("Host: localhost")
    data = "\r\n".join([*lines, "", ""]).encode("utf-8", "replace")
    with socket.create_connection(("127.0.0.1", exporter.private), timeout=30) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        said = b""
        with contextlib.suppress(ConnectionResetError):
            while part := connection.recv(65536):
                said += part
    assert not said or said.startswith((b"HTTP/1.1 2", b"HTTP/1.1 3", b"HTTP/1.1 4")), (data, said[:200])


def test_what_is_asked_for_on_the_page_is_shown_and_never_run(start: Start):
    page = start().get("/?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E")
    assert "<script>alert" not in page.text
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "'unsafe-inline'" not in policy.partition("script-src")[2].partition(";")[0]
    assert page.headers["X-Frame-Options"].lower() == "deny"
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["Cache-Control"] == "no-store"
