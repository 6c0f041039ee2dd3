from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from . import kill9


def test_what_was_acknowledged_is_counted_exactly_once_though_all_processes_are_killed(
    tmp_path: Path, figure: Callable[[str], None]
) -> None:
    outcome = kill9.run(kills=4, workers=2, seed=7, folder=tmp_path)
    assert not outcome.wrong, outcome
    assert outcome.told.acknowledged > 0
    figure(str(outcome))


def test_a_killed_worker_is_replaced_and_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    outcome = kill9.run(kills=3, workers=2, seed=8, one_worker=True, folder=tmp_path)
    assert not outcome.wrong, outcome
    assert outcome.told.acknowledged > 0
