from __future__ import annotations

import os
from pathlib import Path

import pytest

from bw_exporter.errors import ConfigError
from bw_exporter.monitoring import web_config
from bw_exporter.monitoring.basic_auth import BasicAuth
from bw_exporter.monitoring.known_logins import KnownLogins

HASH = "$2b$04$Rww3czwPVefkKlxLhVZNk.T.R.CsuNkuHOxfvHH1t4NVUYV6JEikS"  # of "x"


def mistakes(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "web.yml"
    path.write_text(text)
    with pytest.raises(ConfigError) as raised:
        web_config.load(str(path))
    return [str(problem) for problem in raised.value.problems]


def test_every_mistake_is_told_at_once_with_its_path_and_a_way_out(tmp_path: Path):
    found = mistakes(
        tmp_path,
        """
tls_server_config: {key_file: key.pem, client_auth_type: RequireAnyClientCert, min_version: TLS10, nonsense: 1}
basic_auth_users: {prometheus: plain-text-password}
http_server_config: {http2: true, headers: {X-Powered-By: us}}
rate_limit: {interval: 1s}
web: {}
""",
    )
    for number, path in enumerate(
        [
            "tls_server_config.cert_file",
            "tls_server_config.client_auth_type",
            "tls_server_config.min_version",
            "tls_server_config.nonsense",
            "basic_auth_users",
            "http_server_config.http2",
            "http_server_config.headers",
            "rate_limit",
            "web",
        ]
    ):
        assert found[number].startswith(f"{path}: ")
    assert len(found) == 9
    assert not any("plain-text-password" in line for line in found)


@pytest.mark.parametrize(
    "key", ["cipher_suites", "curve_preferences", "prefer_server_cipher_suites", "cert", "key"]
)
def test_what_is_not_supported_is_refused_and_never_left_out_quietly(tmp_path: Path, key: str):
    found = mistakes(tmp_path, f"tls_server_config: {{cert_file: c.pem, key_file: k.pem, {key}: [x]}}")
    assert found[0].startswith(f"tls_server_config.{key}: is not supported here; ")


def test_files_that_are_missing_or_do_not_belong_together_are_found_at_the_start(tmp_path: Path):
    text = "tls_server_config: {cert_file: cert.pem, key_file: key.pem}"
    assert [line.partition(" (")[0] for line in mistakes(tmp_path, text)] == [
        "tls_server_config.cert_file: cannot be read",
        "tls_server_config.key_file: cannot be read",
    ]
    os.mkfifo(tmp_path / "cert.pem")
    assert "it is a named pipe" in mistakes(tmp_path, text)[0]
    (tmp_path / "cert.pem").unlink()
    (tmp_path / "cert.pem").write_text("no certificate")
    (tmp_path / "key.pem").write_text("no key")
    (line,) = mistakes(tmp_path, text)
    assert "give PEM files" in line


def test_a_file_with_nothing_in_it_asks_for_nothing(tmp_path: Path):
    (tmp_path / "web.yml").write_text("# all of it is optional\n")
    assert web_config.load(str(tmp_path / "web.yml")) == web_config.WebConfig()


def test_only_the_right_password_of_a_known_user_is_accepted_the_second_time_too():
    auth = BasicAuth({"prometheus": HASH}, KnownLogins())
    for _ in range(2):
        assert auth.accepts("prometheus", "x")
        assert not auth.accepts("prometheus", "y")
        assert not auth.accepts("nobody", "x")
        assert not auth.accepts("prometheus", "y" * 200)
        assert not auth.accepts("", "")
