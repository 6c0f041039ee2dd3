from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from bw_rules.backtest import server
from bw_rules.cli import main

FIRST_AT = 1_700_006_400
HOUR = 3600
RULES = """\
groups:
- name: quick
  rules:
  - {record: sales_twice, expr: 2 * sales_total}
  - {record: sales_four_times, expr: 2 * sales_twice}
- name: slow
  interval: 5m
  rules:
  - {record: sales_habit, expr: 'max_over_time(sales_four_times[30m])'}
"""


def _past(folder: Path, *parts: tuple[int, int, int]) -> str:
    """A counter that rises by 1 a minute; each part is first and last second and step, from FIRST_AT."""
    lines: dict[str, list[str]] = {"sales": [], "up": []}
    for first, last, step in parts:
        for at in range(first, last, step):
            lines["sales"].append(f"sales_total {at // 60} {FIRST_AT + at}")
            lines["up"].append(f'up{{job="x"}} 1 {FIRST_AT + at}')
    file = folder / "past.om"
    text = ["# TYPE sales counter", *lines["sales"], "# TYPE up gauge", *lines["up"], "# EOF"]
    file.write_text("\n".join(text) + "\n")
    return str(file)


@pytest.fixture
def rules(tmp_path: Path) -> str:
    file = tmp_path / "rules.yml"
    file.write_text(RULES)
    return str(file)


def test_a_past_becomes_blocks_with_all_that_the_rules_record(
    tmp_path: Path, rules: str, capsys: pytest.CaptureFixture[str]
) -> None:
    past, data = _past(tmp_path, (0, 6 * HOUR, 60)), tmp_path / "data"
    assert main(["record", "--rules", rules, "--past", past, "--output", str(data)]) == 0
    blocks = list(data.iterdir())
    assert capsys.readouterr().out == f"{data}: {len(blocks)} blocks\n"
    assert all((block / "meta.json").exists() for block in blocks), "only blocks lie there"
    with server.answering(data) as url:
        at = FIRST_AT + 5 * HOUR
        (once,) = server.query_range(url, "sales_total", at, at, 60)
        (recorded,) = server.query_range(url, "sales_four_times", at, at, 60)
        assert float(recorded["values"][0][1]) == pytest.approx(4 * float(once["values"][0][1]), abs=12), (
            "each pass may be a minute late"
        )
        quick, slow = (server.moments(url, name, FIRST_AT, at) for name in ("sales_twice", "sales_habit"))
        assert len(quick) == pytest.approx(5 * 60, abs=2)
        assert len(slow) == pytest.approx(5 * 12, abs=2), "a group with an interval of 5m is recorded at 5m"


def test_a_past_that_is_coarser_at_first_is_recorded_in_its_own_steps(tmp_path: Path, rules: str) -> None:
    day = 86_400
    past, data = _past(tmp_path, (0, day, 240), (day, day + HOUR, 60)), tmp_path / "data"
    assert main(["record", "--rules", rules, "--past", past, "--output", str(data)]) == 0
    with server.answering(data) as url:
        early = server.moments(url, "sales_twice", FIRST_AT + 2 * HOUR, FIRST_AT + 4 * HOUR)
        late = server.moments(url, "sales_twice", FIRST_AT + day + 600, FIRST_AT + day + HOUR - 600)
    assert {b - a for a, b in pairwise(early)} == {240}
    assert {b - a for a, b in pairwise(late)} == {60}


def test_what_is_missing_is_said_with_the_way_out(
    tmp_path: Path, rules: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    past, data = tmp_path / "none.om", tmp_path / "data"
    words = ["record", "--rules", rules, "--past", str(past), "--output", str(data)]
    assert main(words) == 1
    assert "none.om: there is no such file; write one with bw-exporter simulate" in capsys.readouterr().err
    past.write_text("# EOF\n")
    assert main(words) == 1
    assert "none.om: holds no samples; give a past in OpenMetrics" in capsys.readouterr().err
    past.write_text("no openmetrics\n")
    assert main(words) == 1
    assert "none.om: is no past in OpenMetrics with timestamps: promtool" in capsys.readouterr().err
    (tmp_path / "rules.yml").write_text("groups: [{name: a, rules: 7}]\n")
    assert main(words) == 1
    assert "has no `groups:` with rules; give what bw-rules render has written" in capsys.readouterr().err
    monkeypatch.setattr("bw_rules.verify.tools.find", lambda _: None)
    assert main(words) == 1
    assert "promtool is not on PATH; install Prometheus" in capsys.readouterr().err
