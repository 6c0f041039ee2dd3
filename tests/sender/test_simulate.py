from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest
from stripe import WebhookSignature

from bw_exporter import cli
from bw_simulator.shop import anomalies
from support.patience import limit
from support.processes import started

from .webhook_sink import Sink

SECRETS = {"shop-a": "whsec_a", "6f1c0123456789abcdef": "whsec_b", "sandbox": "whsec_s"}


def run(config: str, *words: str) -> int:
    return cli.main(["simulate", "--config.file", config, "--yes", *words])


def test_every_delivery_is_signed_with_its_tenants_own_secret(sink: Sink, config: str) -> None:
    assert run(config, "--url", sink.url, "--rate", "200", "--duration", "1s", "--quiet") == 0
    seen = set()
    for path, body, header in sink.received:
        segment = path.removeprefix("/webhooks/")
        assert WebhookSignature.verify_header(body, header, SECRETS[segment], tolerance=300)
        seen.add(segment)
    assert seen == set(SECRETS)
    assert sink.connections == 1


def test_a_tenant_in_test_mode_gets_test_events(sink: Sink, config: str) -> None:
    run(config, "--url", sink.url, "--rate", "100", "--duration", "1s", "--quiet")
    modes = {(path, json.loads(body)["livemode"]) for path, body, _ in sink.received}
    assert modes == {
        ("/webhooks/sandbox", False),
        ("/webhooks/shop-a", True),
        ("/webhooks/6f1c0123456789abcdef", True),
    }


def test_an_event_is_repeated_until_it_is_answered_200(
    sink: Sink, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sink.answers = [503, 429, 0, 500]
    assert (
        run(config, "--url", sink.url, "--rate", "20", "--duration", "1s", "--quiet", "--tenant", "shop-a")
        == 0
    )
    distinct = {body for _, body, _ in sink.received}
    acknowledged = int(capsys.readouterr().out.split()[0])
    assert acknowledged >= len(distinct)
    assert len(sink.received) == acknowledged + 4


def test_a_refused_event_is_not_repeated_and_told_with_advice(
    sink: Sink, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sink.answers, sink.text = [400] * 1000, "bad_signature"
    assert run(config, "--url", sink.url, "--rate", "10", "--duration", "1s", "--tenant", "shop-a") == 1
    assert (
        "refused for shop-a: 400; the exporter knows this tenant by another secret" in capsys.readouterr().out
    )


def test_anomalies_strike_the_last_tenant_and_silence_comes_last(
    sink: Sink, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(config, "--url", sink.url, "--rate", "20", "--duration", "2s", "--anomaly", "all") == 0
    told = capsys.readouterr().err
    order = [name for name in anomalies.names() if f"{name} strikes shop-b" in told]
    assert order == list(anomalies.names())
    assert order[-2:] == ["revenue_drop", "silent_lapse"]


def test_the_list_says_of_each_anomaly_what_to_see(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(config, "--list") == 0
    told = capsys.readouterr().out
    assert all(name in told for name in anomalies.names())
    assert told.count("what to see:") == len(anomalies.names())


def test_what_only_a_past_takes_is_refused_without_one(
    config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(config, "--output", "past.om") == 1
    assert "--history 8d" in capsys.readouterr().err


def test_an_unknown_anomaly_is_answered_with_those_there_are(
    config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(config, "--anomaly", "locusts") == 2
    assert "no such anomaly: locusts; there are: charge_failure_spike" in capsys.readouterr().err


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_end_with_a_summary_and_no_traceback(
    sink: Sink, config: str, how: signal.Signals
) -> None:
    words = [sys.executable, "-m", "bw_exporter", "simulate", "--config.file", config, "--yes"]
    words += ["--url", sink.url, "--rate", "50"]
    with started(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + limit(30)
        while len(sink.received) < 10 and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(how)
        out, err = process.communicate(timeout=limit(30))
    assert process.returncode == 0
    assert "acknowledged in" in out
    assert "Traceback" not in err
