"""A small fleet judged by the real promtool and Prometheus: what is caught, and how often alerts are false."""

from __future__ import annotations

from pathlib import Path

import pytest

from bw_rules.verify import tools
from fleet.small_fleet import SMALL
from truth import evaluate, rendering, table
from truth.judge import Judgement, Outcome, judge

MOST_FALSE = 6
"""In six days at five shops, on a bank holiday of one of them among others."""
MOST_FALSE_SILENCE = 2

needs_prometheus = pytest.mark.skipif(
    not (tools.find("promtool") and tools.find("prometheus")), reason="no Prometheus; `make tools` fetches it"
)


def judged(folder: Path, sensitivity: str) -> Judgement:
    groups = rendering.rendered(SMALL, folder, past="2w", sensitivity=sensitivity)
    alerts, truths, unseen = evaluate.run(SMALL, groups, at_once=1, tell=lambda _: None)
    assert unseen == []
    return judge(alerts, truths)


@needs_prometheus
def test_alerts_catch_all_that_is_wrong_and_let_shops_sleep(tmp_path: Path) -> None:
    judgement = judged(tmp_path, "normal")
    told = "\n".join(table.lines(judgement, SMALL))
    assert {verdict.outcome for verdict in judgement.verdicts} == {Outcome.CAUGHT}, told
    assert len(judgement.false) <= MOST_FALSE, told
    assert sum(alert.detector == "silent_lapse" for alert in judgement.false) <= MOST_FALSE_SILENCE, told


@needs_prometheus
def test_thresholds_alone_page_for_shops_that_sleep(tmp_path: Path) -> None:
    """What the bounds above are worth: rules that know no rhythm are far beyond them."""
    false = judged(tmp_path, "fixed").false
    assert len(false) > 3 * MOST_FALSE
    assert sum(alert.detector == "silent_lapse" for alert in false) > 3 * MOST_FALSE_SILENCE
