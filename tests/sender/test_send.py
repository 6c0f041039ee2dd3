from __future__ import annotations

import io
import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stripe import SignatureVerificationError, WebhookSignature

from bw_exporter import cli
from bw_simulator import sender

from .webhook_sink import Sink


def run(config: str, *words: str) -> int:
    return cli.main(["send", "--config.file", config, *words])


@pytest.fixture
def event(tmp_path: Path) -> Path:
    path = tmp_path / "event.json"
    path.write_bytes(
        '{"id": "evt_1",  "type": "x", "created": 1, "data": {"object": {"name": "Zoë"}}}\n'.encode()
    )
    return path


@given(st.text(), st.from_regex(r"whsec_\w+", fullmatch=True), st.integers(0, 2**40))
def test_stripes_own_library_accepts_the_signature(text: str, secret: str, at: int) -> None:
    body = text.encode()
    assert WebhookSignature.verify_header(body, sender.sign(body, secret, at), secret, tolerance=None)


def test_stripes_own_library_refuses_the_signature_of_another_secret() -> None:
    header = sender.sign(b"{}", "whsec_a", int(time.time()))
    with pytest.raises(SignatureVerificationError):
        WebhookSignature.verify_header(b"{}", header, "whsec_b", tolerance=300)


def test_a_file_is_posted_byte_for_byte_and_signed_for_its_tenant(
    sink: Sink, config: str, event: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(config, "--tenant", "shop-a", "--url", sink.url, str(event)) == 0
    ((path, body, header),) = sink.received
    assert (path, body) == ("/webhooks/shop-a", event.read_bytes())
    assert WebhookSignature.verify_header(body, header, "whsec_a", tolerance=300)
    assert capsys.readouterr().out == f'{event}: 200 {{"status": "accepted"}}\n'


def test_a_rolled_tenant_is_signed_with_the_first_secret_and_posted_to_its_token(
    sink: Sink, config: str, event: Path
) -> None:
    run(config, "--tenant", "shop-b", "--url", f"{sink.url}/", str(event))
    ((path, body, header),) = sink.received
    assert path == "/webhooks/6f1c0123456789abcdef"
    assert WebhookSignature.verify_header(body, header, "whsec_b", tolerance=300)


def test_an_address_with_a_path_is_used_as_it_is(sink: Sink, config: str, event: Path) -> None:
    run(config, "--tenant", "shop-a", "--url", f"{sink.url}/stripe/hook", str(event))
    assert sink.received[0][0] == "/stripe/hook"


def test_several_files_go_over_one_connection(sink: Sink, config: str, event: Path) -> None:
    assert run(config, "--tenant", "shop-a", "--url", sink.url, *[str(event)] * 3) == 0
    assert (len(sink.received), sink.connections) == (3, 1)


def test_a_connection_that_the_server_closed_is_opened_again(sink: Sink) -> None:
    with sender.Connection(sink.url) as connection:
        sink.answers = [200, 0, 200]
        assert connection.post("/", b"1", "s").status == 200
        assert connection.post("/", b"2", "s").status == 200
    assert [body for _, body, _ in sink.received] == [b"1", b"2", b"2"]


def test_any_answer_but_200_makes_the_command_fail_and_the_other_files_are_posted_all_the_same(
    sink: Sink, config: str, event: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sink.answers = [400]
    assert run(config, "--tenant", "shop-a", "--url", sink.url, str(event), str(event)) == 1
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()] == ["400", "200"]


def test_standard_input_is_posted_for_a_dash(
    sink: Sink, config: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b'{"id": "evt_in"}')))
    assert run(config, "--tenant", "shop-a", "--url", sink.url, "-") == 0
    assert sink.received[0][1] == b'{"id": "evt_in"}'


def test_fresh_makes_an_old_event_new_and_leaves_its_object_alone(
    sink: Sink, config: str, event: Path
) -> None:
    before = int(time.time())
    run(config, "--tenant", "shop-a", "--url", sink.url, "--fresh", str(event), str(event))
    first, second = (json.loads(body) for _, body, _ in sink.received)
    assert len({first["id"], second["id"], "evt_1"}) == 3
    assert before <= first["created"] <= time.time()
    assert first["data"] == {"object": {"name": "Zoë"}}


def test_fresh_refuses_what_is_no_event(
    sink: Sink, config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for text in ("[]", "{", "[" * 40_000, '{"data": ' * 40_000):
        (tmp_path / "list.json").write_text(text)
        assert (
            run(config, "--tenant", "shop-a", "--url", sink.url, "--fresh", str(tmp_path / "list.json")) == 1
        )
        assert "--fresh needs an event" in capsys.readouterr().err
    assert sink.received == []


def test_an_unknown_tenant_is_answered_with_those_there_are(
    config: str, event: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(config, "--tenant", "shop-x", str(event)) == 1
    assert capsys.readouterr().err == f"{config} has no tenant 'shop-x'; it has: sandbox, shop-a, shop-b\n"


def test_a_missing_file_is_named_and_the_others_are_posted(
    sink: Sink, config: str, event: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(config, "--tenant", "shop-a", "--url", sink.url, "nowhere.json", str(event)) == 1
    assert capsys.readouterr().err == "nowhere.json: cannot be read: No such file or directory\n"
    assert len(sink.received) == 1


def test_an_exporter_out_of_reach_is_said_with_what_to_do(
    config: str, event: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(config, "--tenant", "shop-a", "--url", "http://127.0.0.1:9", str(event)) == 1
    told = capsys.readouterr().err
    assert "http://127.0.0.1:9 cannot be reached" in told
    assert "bw-exporter serve" in told


@pytest.mark.parametrize("url", ["localhost:8000", "http://127.0.0.1:99999", "http://[::1"])
def test_an_address_that_is_none_is_said(
    config: str, event: Path, capsys: pytest.CaptureFixture[str], url: str
) -> None:
    assert run(config, "--tenant", "shop-a", "--url", url, str(event)) == 1
    assert "give one such as http://127.0.0.1:8000" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("status", "text", "advice"),
    [
        (
            400,
            "bad_signature",
            "knows this tenant by another secret; sign with the tenants.yaml that it runs on",
        ),
        (400, "expired_signature", "the clocks of this machine"),
        (400, "malformed", "no event of Stripe"),
        (404, "no such tenant", "reload it after a change of tenants.yaml"),
        (429, "over this tenant's rate limit", "send more slowly"),
        (503, "not stored; send it again", "log says why"),
    ],
)
def test_a_refusal_is_told_with_what_to_do(
    sink: Sink,
    config: str,
    event: Path,
    capsys: pytest.CaptureFixture[str],
    status: int,
    text: str,
    advice: str,
) -> None:
    sink.answers, sink.text = [status], text
    assert run(config, "--tenant", "shop-a", "--url", sink.url, str(event)) == 1
    captured = capsys.readouterr()
    assert captured.out == f"{event}: {status} {text}\n"
    assert advice in captured.err
    assert "whsec_" not in captured.err
