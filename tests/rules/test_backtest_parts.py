"""Which recordings alerts need, and when an alert fires whose condition holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bw_exporter.errors import BillingWatchError
from bw_rules.backtest.firing import Episode, episodes
from bw_rules.backtest.passes import LOOKBACK_SECONDS, passes, selectors

HOUR, WEEK = 3600, 604800


def recording(name: str, expr: str) -> dict[str, str]:
    return {"record": name, "expr": expr}


def test_an_expression_says_how_far_back_it_reads() -> None:
    found = selectors(
        'sum by (t) (rate(a{x="y"}[1h] offset 1d)) > on (t) max_over_time(b[1w:1h] offset 2h) + a'
    )
    assert found == {"a": 25 * HOUR + LOOKBACK_SECONDS, "b": WEEK + 2 * HOUR + LOOKBACK_SECONDS}


def test_recordings_are_made_in_passes_and_none_that_nobody_reads() -> None:
    groups = [
        {
            "name": "slow",
            "interval": "5m",
            "rules": [recording("c:c", "b:b offset 1w"), recording("x:x", "up")],
        },
        {
            "name": "now",
            "rules": [recording("a:a", "up"), recording("b:b", "a:a[1h] offset 1h"), recording("b:b", "up")],
        },
    ]
    made = passes(groups, ["c:c + a:a > 1"])
    assert [[one.name for one in some] for some in made] == [["a:a"], ["b:b", "b:b"], ["c:c"]]
    assert [one.interval for some in made for one in some] == [60, 60, 60, 300]
    back = 3 * LOOKBACK_SECONDS + WEEK + 2 * HOUR
    assert [one.reach for some in made for one in some] == [
        back,
        2 * LOOKBACK_SECONDS + WEEK,
        2 * LOOKBACK_SECONDS + WEEK,
        LOOKBACK_SECONDS,
    ]


def test_recordings_that_read_each_other_are_refused() -> None:
    groups = [{"rules": [recording("a:a", "b:b"), recording("b:b", "a:a")]}]
    with pytest.raises(BillingWatchError, match="read each other: a:a, b:b"):
        passes(groups, ["a:a"])


def by_evaluations(held: list[bool], for_: int, keep: int) -> list[Episode]:
    """Prometheus' state machine, one evaluation after the other (rules/alerting.go)."""
    found, active_at, keep_since, firing_at = [], None, None, None
    for at, true in enumerate(held):
        if true:
            keep_since = None
            active_at = at if active_at is None else active_at
            if firing_at is None and at - active_at >= for_:
                firing_at = at
            continue
        if firing_at is not None:
            keep_since = at if keep_since is None else keep_since
            if at - keep_since < keep:
                continue
            found.append(Episode(firing_at, at))
        active_at = keep_since = firing_at = None
    return [*found, Episode(firing_at, len(held))] if firing_at is not None else found


@given(st.lists(st.booleans(), max_size=40), st.integers(0, 5), st.integers(0, 5))
def test_an_alert_fires_as_prometheus_lets_it(held: list[bool], for_: int, keep: int) -> None:
    at = [moment * 60 for moment, true in enumerate(held) if true]
    found = episodes(at, 60, for_=for_ * 60, keep_firing_for=keep * 60, until_at=len(held) * 60)
    wanted = by_evaluations(held, for_, keep)
    assert found == [Episode(one.begin_at * 60, one.end_at * 60) for one in wanted]
