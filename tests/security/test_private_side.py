"""What web pages, guessers and neighbours may try on the private listener."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import bcrypt
import pytest

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
    assert "(default: 127.0.0.1:9847)" in " ".join(said.split())


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


def test_what_is_asked_for_on_the_page_is_shown_and_never_run(start: Start):
    page = start().get("/?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E")
    assert "<script>alert" not in page.text
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "'unsafe-inline'" not in policy.partition("script-src")[2].partition(";")[0]
    assert page.headers["X-Frame-Options"].lower() == "deny"
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["Cache-Control"] == "no-store"
