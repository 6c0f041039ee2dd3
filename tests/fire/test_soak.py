from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from . import soak


def test_a_soak_of_seconds_runs_and_what_was_acknowledged_counts(
    tmp_path: Path, figure: Callable[[str], None]
):
    """What stays flat shows in an hour only: make soak."""
    samples, wrong = soak.run(0.05, 2, tmp_path)
    assert len(samples) > 10
    assert not [each for each in wrong if each.startswith("billing_")]
    figure(str(samples[-1]))


def test_what_grows_is_told():
    def sample(rss: int, files: int) -> soak.Sample:
        roles = soak.ROLES
        return soak.Sample(
            0, 0, dict.fromkeys(roles, rss), dict.fromkeys(roles, files), dict.fromkeys(roles, 5), 1, 1
        )

    assert soak.grown([sample(50_000, 20)] * 20) == []
    leaking = [sample(50_000 + 5_000 * each, 20 + each) for each in range(20)]
    assert len(soak.grown(leaking)) == 6
