from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from bw_rules.backtest import report
from bw_rules.backtest.coverage import Coverage
from bw_rules.backtest.trial import Episode, Result
from bw_rules.cli import main

from .a_day import DAY, FIRST_AT, FOUND_AT, UNTIL_AT


def _words(config: str, url: str, *more: str) -> list[str]:
    words = ["backtest", "--config.file", config, "--prometheus", url, "--until", str(UNTIL_AT)]
    return [*words, "--since", "20h", "--detector", "duplicate_charge", *more]


def test_each_alert_has_begin_length_and_evidence_and_thresholds_are_compared(
    config: str, prometheus: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = _words(config, prometheus, "--set", "duplicate_charge.hold=2h", "--format", "json")
    assert main(words) == 0
    document = json.loads(capsys.readouterr().out)
    lasted = {
        (one["variant"], one["tenant"]): (one["begin_at"] - FOUND_AT, one["end_at"] - one["begin_at"])
        for one in document["episodes"]
    }
    hours = {
        ("as it is", "prod"): 1,
        ("as it is", "idle"): 3,
        ("duplicate_charge.hold=2h", "prod"): 2,
        ("duplicate_charge.hold=2h", "idle"): 2,
    }
    assert lasted.keys() == hours.keys()
    assert len(document["episodes"]) == len(hours), "each duplicate is one episode"
    for key, (late, length) in lasted.items():
        assert 0 <= late <= 120, key
        assert length == pytest.approx(hours[key] * 3600, abs=120), key
    first = document["episodes"][0]
    assert (first["value"], first["weeks"]) == (1.0, None), "how much past there is makes no difference"
    assert first["description"].startswith("Duplicate charges found within 3h: 1. The same payer")
    assert [one["alerts"] for one in document["alerts_a_month"]] == [pytest.approx(36.0)] * 4


def test_one_tenant_alone_is_judged_and_shown_as_a_table(
    config: str, prometheus: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(_words(config, prometheus, "--tenant", "prod")) == 0
    table = capsys.readouterr().out.splitlines()
    assert table[0] == "2023-11-15 04:00 to 2023-11-16 00:00 (UTC), 1 tenant"
    assert table[3].split() == ["prod", "BillingDuplicateCharge", "36.0"]
    assert [line.split()[2:5] for line in table[7:]] == [["1h", "prod", "BillingDuplicateCharge"]]


def test_mistakes_are_told_with_what_is_near_or_what_to_do(
    config: str, prometheus: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for more, status, said in (
        (("--tenant", "prd"), 1, "has no tenant prd; did you mean prod?"),
        (("--set", "fraud_spik.window=1h"), 2, "there is no detector fraud_spik; did you mean fraud_spike?"),
        (("--set", "fraud_spike.min_dispute=1"), 2, "no key min_dispute; did you mean min_disputes?"),
        (("--set", "fraud_spike=1"), 2, "write it as DETECTOR.KEY=VALUE"),
        (
            ("--set", "fraud_spike.min_disputes=many"),
            1,
            "--set fraud_spike.min_disputes=many: must be a whole",
        ),
        (("--job", "other"), 1, "has no billing series of job other; give --job billing-exporter"),
        (
            ("--detector", "revenue_drop"),
            1,
            "has 1.0 days of billing series; the detectors need at least 8.0",
        ),
        (("--until", str(FIRST_AT - 90 * DAY)), 1, "has no billing series"),
        (("--until", "99999999999"), 2, "has not come yet; give Unix seconds up to now"),
        (("--since", "1m"), 2, "--since must be at least --step (120s)"),
    ):
        assert main(_words(config, prometheus, *more)) == status, more
        assert said in capsys.readouterr().err


def test_explain_needs_a_prometheus_that_scrapes_the_tenant_now(
    config: str, prometheus: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["explain", "fraud_spike", "--config.file", config, "--prometheus", prometheus]
    assert main(words) == 2
    assert "give --tenant too" in capsys.readouterr().err
    assert main([*words, "--tenant", "prod"]) == 1
    assert (
        "has nothing of tenant prod and job billing-exporter now; give the Prometheus"
        in capsys.readouterr().err
    )


class _Saying(BaseHTTPRequestHandler):
    """Answers every question with the same."""

    status, body = 200, b""

    def do_POST(self) -> None:
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (401, "", "wants a user and a password (401)"),
        (404, "no such page", "what answers is no Prometheus (404)"),
        (200, "<html>Log in</html>", "what answers is no Prometheus; give the address under which"),
        (200, '{"status": "success"}', "what answers is no Prometheus"),
        (422, '{"error": "too many samples"}', "Prometheus refused a query (422)"),
        (
            200,
            '{"data": {"result": []}, "warnings": ["PromQL info: no counter", "store b: timeout"]}',
            "answers in part only (store b: timeout)",
        ),
    ],
)
def test_what_cannot_answer_is_told_apart_and_no_password_is_shown(
    config: str, capsys: pytest.CaptureFixture[str], status: int, body: str, said: str
) -> None:
    saying = type("Saying", (_Saying,), {"status": status, "body": body.encode()})
    with HTTPServer(("127.0.0.1", 0), saying) as server_of_others:
        threading.Thread(
            target=server_of_others.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()
        port = server_of_others.server_address[1]
        assert main(_words(config, f"http://me:secret@127.0.0.1:{port}")) == 1
        server_of_others.shutdown()
    told = capsys.readouterr().err
    assert f"http://127.0.0.1:{port}: {said}" in told
    assert "secret" not in told


def test_where_nothing_answers_an_address_is_asked_for(
    config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(_words(config, "http://127.0.0.1:1")) == 1
    assert "no Prometheus can be reached" in capsys.readouterr().err


def test_markdown_is_a_table_of_alerts_a_month_and_one_of_episodes() -> None:
    episode = Episode(
        "as it is",
        "fraud_spike",
        "BillingFraudSpike",
        "prod",
        (),
        "critical",
        0,
        None,
        4.0,
        3,
        "4 | 5 disputes",
    )
    covered = Coverage("prod", -90 * DAY, -21 * DAY, {"fraud_spike": 0})
    result = Result(0, 30 * DAY, ("as it is",), ("fraud_spike",), (covered,), (episode,))
    lines = report.written(result, "markdown").splitlines()
    assert "| prod | BillingFraudSpike | 1.0 |" in lines
    assert r"| 1970-01-01 00:00 | still fires | prod | BillingFraudSpike | 4 | 3 | 4 \| 5 disputes |" in lines
