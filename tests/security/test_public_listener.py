"""What a stranger on the internet may try on the public listener."""

from __future__ import annotations

import gzip
import hmac
import socket
import time

import pytest

from bw_exporter.webhook import signature
from bw_exporter.webhook.signature import Verdict
from bw_simulator.sender import sign
from support.exporter import SECRET, RunningExporter, Start, ask, event, eventually, raw

HEAD = b"POST /webhooks/prod HTTP/1.1\r\nHost: test\r\n"
HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: test\r\n\r\n"


@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(
            HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", id="CL and TE"
        ),
        pytest.param(
            HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", id="TE and CL"
        ),
        pytest.param(HEAD + b"Content-Length: 0\r\nContent-Length: 40\r\n\r\n", id="two lengths"),
        pytest.param(HEAD + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nabcde", id="a length twice"),
        pytest.param(HEAD + b"Content-Length: 5, 5\r\n\r\nabcde", id="a list of lengths"),
        pytest.param(HEAD + b"Content-Length: +5\r\n\r\nabcde", id="a signed length"),
        pytest.param(HEAD + b"Content-Length: 0x5\r\n\r\nabcde", id="a length in hex"),
        pytest.param(HEAD + b"Content-Length: 1_0\r\n\r\nabcdeabcde", id="a length as Python writes it"),
        pytest.param(HEAD + b"Content-Length: \xd9\xa5\r\n\r\nabcde", id="a length in other digits"),
        pytest.param(HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", id="another coding"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", id="chunked not last"),
        pytest.param(HEAD + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", id="a coding after VT"),
        pytest.param(HEAD + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", id="a space before the colon"),
        pytest.param(HEAD + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", id="a folded coding"),
        pytest.param(HEAD + b"X-Any: a\r\n b\r\nContent-Length: 0\r\n\r\n", id="a folded header"),
        pytest.param(HEAD.replace(b"\r\n", b"\n") + b"Content-Length: 0\n\n\r\n\r\n", id="bare LF"),
        pytest.param(HEAD + b"X-Any: a\nContent-Length: 5\r\n\r\nabcde", id="LF inside a header"),
        pytest.param(HEAD + b"X-Any: a\rContent-Length: 5\r\n\r\nabcde", id="CR inside a header"),
        pytest.param(HEAD + b"X-Any: a\x00b\r\n\r\n", id="NUL inside a header"),
        pytest.param(
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n0x5\r\nabcde\r\n0\r\n\r\n", id="a chunk in 0x"
        ),
        pytest.param(
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabcdeXX0\r\n\r\n", id="a chunk too long"
        ),
        pytest.param(
            b"POST /webhooks/prod HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            id="TE in HTTP/1.0",
        ),
        pytest.param(HEAD + b"Host: other\r\n\r\n", id="two hosts"),
        pytest.param(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + HEAD + b"\r\n", id="the PROXY protocol"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="HTTP/2"),
    ],
)
def test_a_request_that_two_servers_could_read_differently_ends_the_connection(
    exporter: RunningExporter, request_bytes: bytes
):
    said, _ = raw(exporter.public, request_bytes + HIDDEN)
    assert said.startswith(b"HTTP/1.1 4")
    assert said.count(b"HTTP/1.1 ") == 1, "what stood behind it was not taken for a request"


def test_headers_by_which_a_proxy_speaks_for_others_change_nothing(exporter: RunningExporter):
    body = event("spoken for")
    good = sign(body, SECRET, int(time.time()))
    spoken = {
        "Script-Name": "/webhooks",
        "X-Forwarded-For": "127.0.0.1",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "evil.example",
        "Forwarded": "for=127.0.0.1",
        "X-Original-Url": "/metrics",
        "X-Rewrite-Url": "/metrics",
        "X-Http-Method-Override": "GET",
    }
    assert ask(exporter.public, "POST", "/prod", body, {"Stripe-Signature": good, **spoken}).status == 404
    assert ask(exporter.public, "POST", "/webhooks/prod", body, spoken).status == 400
    by_underscore = ask(exporter.public, "POST", "/webhooks/prod", body, {"Stripe_Signature": good})
    assert by_underscore.text == "bad_signature\n"
    assert exporter.metric("billing_events_total", tenant="prod", type="other") == 0


def test_a_compressed_body_is_verified_as_it_came_and_never_unpacked(exporter: RunningExporter):
    bomb = gzip.compress(b" " * 50_000_000)
    signed = {"Stripe-Signature": sign(bomb, SECRET, int(time.time())), "Content-Encoding": "gzip"}
    assert ask(exporter.public, "POST", "/webhooks/prod", bomb, {"Content-Encoding": "gzip"}).status == 400
    assert ask(exporter.public, "POST", "/webhooks/prod", bomb, signed).status == 400


@pytest.mark.parametrize(
    "path",
    ["/webhooks/../metrics", "/webhooks/..%2f..%2fmetrics", "/webhooks/%2e%2e/metrics", "//metrics", "/webhooks/prod/",
     "/webhooks/prod%00", "/webhooks/prod;x", "/WEBHOOKS/prod", "/static/x", "http://127.0.0.1/metrics"],
)  # fmt: skip
def test_no_path_leads_out_of_the_webhooks(exporter: RunningExporter, path: str):
    assert ask(exporter.public, "POST", path, b"{}").status == 404
    assert ask(exporter.public, "GET", path).status in (404, 405)


def test_what_was_overheard_counts_once_and_only_for_its_tenant_and_five_minutes(start: Start):
    other = "whsec_other_0123456789"
    exporter = start(f"tenants: {{prod: {{webhook_secret: {SECRET}}}, other: {{webhook_secret: {other}}}}}")
    body, now = event("overheard"), int(time.time())
    fresh, old = ({"Stripe-Signature": sign(body, SECRET, now - age)} for age in (0, 400))
    answers = [ask(exporter.public, "POST", "/webhooks/prod", body, fresh).text.strip() for _ in range(3)]
    assert answers == ["accepted", "redelivered", "redelivered"]
    assert ask(exporter.public, "POST", "/webhooks/prod", body, old).text == "expired_signature\n"
    assert ask(exporter.public, "POST", "/webhooks/other", body, fresh).text == "bad_signature\n"
    assert exporter.metric("billing_events_total", tenant="prod", type="other") == 1


def test_signatures_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch):
    compared: list[tuple[str, str]] = []
    constant_time = hmac.compare_digest

    def noted(one: str, other: str) -> bool:
        compared.append((one, other))
        return constant_time(one, other)

    monkeypatch.setattr(hmac, "compare_digest", noted)
    good = sign(b"{}", SECRET, 1000)
    for given in (good, good[:-1] + ("0" if good[-1] != "0" else "1")):
        before = len(compared)
        verdict = signature.verify(b"{}", given, (SECRET,), 1000)
        assert (verdict is Verdict.GOOD) == (given == good)
        assert compared[before:] == [(good.rpartition("=")[2], given.rpartition("=")[2])]
    assert signature.verify(b"{}", "t=1000,v1=a", (SECRET,), 1000) is Verdict.BAD


@pytest.mark.parametrize(
    "path", ["/webhooks%2Fprod", "/%77ebhooks/%70rod", "http://anything.example/webhooks/prod"]
)
def test_another_way_to_write_an_address_reaches_the_tenant_it_names_and_asks_for_its_signature(
    exporter: RunningExporter, path: str
):
    body = event(path)
    forged = ask(exporter.public, "POST", path, body, {"Stripe-Signature": "t=1,v1=a"})
    assert (forged.status, forged.text) == (400, "bad_signature\n")
    signed = ask(
        exporter.public, "POST", path, body, {"Stripe-Signature": sign(body, SECRET, int(time.time()))}
    )
    assert signed.text in ("accepted\n", "redelivered\n")


def test_a_flood_of_refused_requests_is_a_line_a_reason_of_each_worker_and_holds_nothing_of_theirs(
    start: Start,
):
    exporter = start()
    before = len(exporter.entries())
    for number in range(50):
        assert exporter.send(number, secret="whsec_guessed").status == 400
        assert exporter.send(number, tenant=f"guessed-{number}").status == 404
    with socket.create_connection(("127.0.0.1", exporter.public)) as connection:
        connection.sendall(b"\x16\x03\x01nonsense\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 400 ")
    eventually(lambda: exporter.requests("bad_signature") == 50)
    eventually(lambda: exporter.requests("unknown_tenant", tenant="") == 50)
    lines = exporter.entries()[before:]
    assert {(line["reason"], line.get("tenant")) for line in lines} == {
        ("bad_signature", "prod"),
        ("unknown_tenant", None),
    }
    assert len(lines) <= 2 * 2
    assert "guessed" not in exporter.log_file.read_text()
