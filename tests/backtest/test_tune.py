from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import yaml

from bw_exporter.config import tenants
from bw_exporter.errors import BillingWatchError
from bw_rules.backtest.trial import Episode
from bw_rules.cli import main
from bw_rules.detectors import THRESHOLDS
from bw_rules.tuning import ladder, marks
from bw_rules.tuning.choice import choice, tried
from bw_rules.tuning.marks import Mark

from .a_day import LATE_AT, UNTIL_AT

HOUR = 3600
MONTH = 30 * 86_400
STEPS = ladder.steps(THRESHOLDS["fraud_spike"]())


def _episode(begin_at: int) -> Episode:
    names = ("as it is", "fraud_spike", "BillingFraudSpike", "prod")
    return Episode(*names, (), "critical", begin_at, begin_at + HOUR, 4.0, 4, "Disputes")


def _tune(config: str, url: str, *more: str) -> int:
    words = ["tune", "--config.file", config, "--prometheus", url, "--until", str(UNTIL_AT), "--since", "20h"]
    return main([*words, "--detector", "webhook_lag", *more])


def test_what_fires_too_often_gets_a_patch_that_says_what_it_lets_pass(
    config: str, prometheus: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _tune(config, prometheus) == 0
    patch = capsys.readouterr().out
    assert yaml.safe_load(patch) == {
        "tenants": {"prod": {"detectors": {"webhook_lag": {"min_events": 6}}}},
    }
    assert "# -> min_events: 6: 0.0 a month, lets pass 1\n" in patch
    assert "#      lets pass 2023-11-15 16:0" in patch

    judgement = tmp_path / "marks.json"
    mark = {"tenant": "prod", "detector": "webhook_lag", "begin_at": LATE_AT, "mark": "confirmed"}
    judgement.write_text(json.dumps([mark]))
    assert _tune(config, prometheus, "--marks", str(judgement)) == 0
    said = capsys.readouterr().out
    assert yaml.safe_load(said) is None, "a confirmed episode is never hidden"
    assert said.endswith("# Nothing to change.\n")


def test_each_step_is_valid_in_tenants_yaml_and_quieter_keys_come_last(tmp_path: Path) -> None:
    assert STEPS == (
        {"sensitivity": "low"},
        {"sensitivity": "low", "min_disputes": 6},
        {"sensitivity": "low", "min_disputes": 12},
    )
    assert ladder.steps(THRESHOLDS["fraud_spike"](min_disputes=1_000_000)) == ({"sensitivity": "low"},)
    assert ladder.steps(THRESHOLDS["duplicate_charge"]()) == (), "it tells of what was found"
    file = tmp_path / "tenants.yaml"
    for name, model in THRESHOLDS.items():
        if model.off_until_asked_for():
            continue
        for step in ladder.steps(model()):
            section = {"tenants": {"prod": {"webhook_secret": "whsec_x", "detectors": {name: dict(step)}}}}
            file.write_text(yaml.safe_dump(section))
            assert not tenants.load(str(file), detectors=THRESHOLDS).unread, (name, step)


def test_the_least_change_wins_that_is_quiet_drops_what_is_false_and_keeps_what_is_confirmed() -> None:
    right, wrong, other = _episode(0), _episode(10 * HOUR), _episode(20 * HOUR)
    judged = (
        Mark("prod", "fraud_spike", 0, 0, marks.CONFIRMED),
        Mark("prod", "fraud_spike", 11 * HOUR, 11 * HOUR, marks.FALSE),
    )
    all_now = [right, wrong, other]

    def chosen(most: float, *fired: list[Episode], said: tuple[Mark, ...] = judged) -> object:
        steps = zip([{}, *STEPS], [all_now, *fired], strict=False)
        found = choice(
            "prod", "fraud_spike", [tried(step, all_now, then, said, MONTH) for step, then in steps], most
        )
        return found.proposed.step if found.proposed else None, found.enough

    assert chosen(5, all_now, [right, other]) == (STEPS[1], True), "few enough, but one of them is false"
    assert chosen(1, [right, wrong], [right]) == (STEPS[1], True), "the confirmed one does not count"
    assert chosen(0, [right, wrong], []) == (STEPS[0], False), "quieter would hide the confirmed one"
    assert chosen(0, [right, wrong], [], said=()) == (STEPS[1], True)
    assert chosen(3, [], said=()) == (None, True)


def test_marks_are_read_from_a_backtest_and_from_findings_too(tmp_path: Path) -> None:
    file = tmp_path / "marks.json"
    episodes = [
        {
            "tenant": "prod",
            "detector": "fraud_spike",
            "begin_at": 10,
            "end_at": 20,
            "mark": "false",
            "value": 3.0,
        },
        {"tenant": "prod", "detector": "fraud_spike", "begin_at": 99, "end_at": None},
    ]
    file.write_text(json.dumps({"episodes": episodes}))
    assert marks.read(str(file)) == (Mark("prod", "fraud_spike", 10, 20, "false"),)
    found = {"tenant": "prod", "kind": "duplicate_charge", "found_at": 10, "mark": "confirmed"}
    others = [{**found, "mark": "resolved"}, {**found, "kind": "of_another_time"}]
    file.write_text(json.dumps([found, *others]))
    assert marks.read(str(file)) == (Mark("prod", "duplicate_charge", 10, 10, "confirmed"),)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is no JSON"),
        ("{}", "holds no list of marks"),
        (
            '[{"tenant": "a", "detector": "fraud_spike", "begin_at": 1, "mark": false}]',
            "confirmed or false (in quotes)",
        ),
        (
            '[{"tenant": "a", "detector": "fraud_spik", "begin_at": 1, "mark": "false"}]',
            "did you mean fraud_spike?",
        ),
        (
            '[{"tenant": "a", "detector": "fraud_spike", "mark": "false"}]',
            "entry 1: needs a tenant, and begin_at",
        ),
    ],
)
def test_marks_that_cannot_be_read_are_answered_with_what_to_write(
    tmp_path: Path, text: str, said: str
) -> None:
    file = tmp_path / "marks.json"
    file.write_text(text)
    with pytest.raises(BillingWatchError) as caught:
        marks.read(str(file))
    assert said in str(caught.value)


class _Silences(BaseHTTPRequestHandler):
    comments = ("false: a sale, announced", "we know")

    def do_GET(self) -> None:
        matchers = [
            {"name": "tenant", "value": "prod", "isEqual": True, "isRegex": False},
            {"name": "alertname", "value": "BillingFraudSpike", "isEqual": True, "isRegex": False},
        ]
        times = {"startsAt": "2023-11-15T00:00:00.000Z", "endsAt": "2023-11-15T01:00:00.000Z"}
        rows = [{"comment": comment, "matchers": matchers, **times} for comment in self.comments]
        self.send_response(200 if self.path == "/api/v2/silences" else 404)
        self.end_headers()
        self.wfile.write(json.dumps(rows).encode())

    def log_message(self, *_: object) -> None:
        pass


def test_of_silences_only_those_that_say_so_are_a_judgement() -> None:
    with HTTPServer(("127.0.0.1", 0), _Silences) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        found = marks.silences(address)
        with pytest.raises(BillingWatchError, match="no silences there"):
            marks.silences(f"{address}/elsewhere")
        server.shutdown()
    begin_at = 1_700_006_400
    assert found == (Mark("prod", "fraud_spike", begin_at, begin_at + HOUR, "false"),)
