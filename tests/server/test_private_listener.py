from __future__ import annotations

import base64
import datetime as dt
import json
import os
import socket
import ssl
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import bcrypt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bw_exporter.store import Finding, open_store
from support.exporter import SECRET, RunningExporter, Start, ask, eventually
from support.patience import limit

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = "6f1c0a9b8d7e6f5a4b3c2d1e"
TENANTS = f"""
tenants:
  prod: {{webhook_secret: {SECRET}, name: "Prod <b>&co"}}
  client: {{webhook_secret: {SECRET}, path_token: {TOKEN}, mode: test}}
"""


def certificate(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return folder / "cert.pem"


def secured(folder: Path, web: str) -> RunningExporter:
    cert = certificate(folder)
    (folder / "web.yml").write_text(web)
    exporter = RunningExporter(folder, TENANTS, "--web.config.file", str(folder / "web.yml"))
    exporter.tls = ssl.create_default_context(cafile=str(cert))
    exporter.tls.check_hostname = False
    return exporter


def test_tls_and_basic_auth_hold_on_the_private_listener_and_not_on_the_public_one(tmp_path: Path):
    hashed = bcrypt.hashpw(b"right", bcrypt.gensalt(4)).decode().replace("$2b$", "$2y$")
    web = (
        "tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n"
        f"basic_auth_users: {{prometheus: '{hashed}'}}\n"
        "http_server_config: {headers: {X-Frame-Options: deny}}\n"
    )
    with secured(tmp_path, web) as exporter:
        exporter.authorization = {"Authorization": "Basic " + base64.b64encode(b"prometheus:right").decode()}
        exporter.ready()
        assert exporter.send(1).status == 200
        assert exporter.requests("accepted") == 1
        assert exporter.reload().status == 200
        assert exporter.get("/").headers["X-Frame-Options"] == "deny"
        for wrong in ({}, {"Authorization": "Basic " + base64.b64encode(b"prometheus:wrong").decode()},
                      {"Authorization": "Basic " + base64.b64encode(b"nobody:right").decode()},
                      {"Authorization": "Basic %%%"}, {"Authorization": "Bearer right"}):  # fmt: skip
            for path in ("/metrics", "/-/healthy", "/-/ready", "/findings", "/", "/none"):
                reply = ask(exporter.private, "GET", path, headers=wrong, tls=exporter.tls)
                assert reply.status == 401
                assert "Basic" in reply.headers["WWW-Authenticate"]
        assert "right" not in exporter.log_file.read_text()
        environ = {**os.environ, "BW_WEB_METRICS_ADDRESS": f"127.0.0.1:{exporter.private}"}
        command = [sys.executable, "-m", "bw_exporter.healthcheck"]
        assert subprocess.run(command, env=environ, check=False, timeout=limit(30)).returncode == 0


def test_a_client_without_the_certificate_that_web_yml_asks_for_is_turned_away(tmp_path: Path):
    web = (
        "tls_server_config: {cert_file: cert.pem, key_file: key.pem, client_ca_file: cert.pem,"
        " client_auth_type: RequireAndVerifyClientCert, min_version: TLS13}"
    )
    with secured(tmp_path, web) as exporter:
        assert exporter.tls
        exporter.tls.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
        exporter.ready()
        assert exporter.get("/-/healthy").status == 200
        stranger = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
        stranger.check_hostname = False
        with pytest.raises(OSError, match=r"(?i)certificate|reset|eof|closed"):
            ask(exporter.private, "GET", "/metrics", tls=stranger)
        assert exporter.get("/-/healthy").status == 200


@pytest.mark.parametrize("sizes", [(5000, 5000), (7900, 7900), (8192, 100), (100, 100, 8000, 100)], ids=str)
def test_requests_that_come_in_one_tls_record_are_all_answered(tmp_path: Path, sizes: tuple[int, ...]):
    """gunicorn reads 8 KiB at once; what TLS has decrypted beyond is in no socket that a poller could watch."""
    head = b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nX-Padding: "
    requests = [head.ljust(size - 4, b"x") + b"\r\n\r\n" for size in sizes]
    requests[-1] = requests[-1].replace(b"X-Padding: ", b"Connection: close\r\nX-Padding: ")
    with secured(tmp_path, "tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n") as exporter:
        exporter.ready()
        assert exporter.tls
        said = b""
        with (
            socket.create_connection(("127.0.0.1", exporter.private), timeout=30) as plain,
            exporter.tls.wrap_socket(plain) as client,
        ):
            client.sendall(b"".join(requests))
            while part := client.recv(65536):
                said += part
    assert said.count(b"HTTP/1.1 200") == len(sizes), said


def test_it_is_not_ready_while_the_store_takes_no_writes_and_says_why(start: Start):
    exporter = start()
    assert exporter.get("/-/ready").text == "ready\n"
    exporter.store.rename(exporter.store.with_suffix(".away"))
    eventually(lambda: exporter.get("/-/ready").status == 503)
    assert "store" in exporter.get("/-/ready").text
    assert exporter.get("/-/healthy").status == 200
    assert exporter.send(1).status == 503


def test_findings_are_served_newest_first_and_a_mistaken_question_is_explained(start: Start, tmp_path: Path):
    exporter = start()
    now = int(time.time())
    store = open_store(f"sqlite:///{exporter.store}")
    for age in (10, 5000, 100_000):
        finding = Finding(now - age, "prod", "duplicate_charge", {"amount": age})
        store.write(lambda tx, finding=finding: tx.report(finding))
    store.close()
    found = json.loads(exporter.get("/findings").text)["findings"]
    assert [one["details"]["amount"] for one in found] == [10, 5000]
    assert found[0]["kind"] == "duplicate_charge"
    assert len(json.loads(exporter.get("/findings?since=7d&tenant=prod").text)["findings"]) == 3
    assert len(json.loads(exporter.get("/findings?since=7d&limit=1").text)["findings"]) == 1
    assert json.loads(exporter.get("/findings?tenant=prod&since=1s").text) == {"findings": []}
    assert json.loads(exporter.get("/findings?tenant=prud").text) == {
        "findings": [],
        "note": "no tenant is called 'prud'; the tenants are prod",
    }
    for wrong in (
        "since=yesterday",
        "limit=0",
        "limit=many",
        "limit=-1",
        "tenant=%00",
        "tenant=%ff",
        "tenant=P",
    ):
        assert exporter.get(f"/findings?{wrong}").status == 400
    assert exporter.get("/findings?tenant=%00").text == "no tenant is called '\\x00'; the tenants are prod\n"


def test_a_reload_is_asked_for_by_post_only(start: Start):
    exporter = start()
    refused = exporter.get("/-/reload")
    assert refused.status == 405
    assert set(refused.headers["Allow"].split(", ")) == {"POST", "OPTIONS"}
    assert exporter.get("/nothing").status == 404
