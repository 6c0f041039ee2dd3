"""Two replicas on one PostgreSQL, short; `make chaos` does the same for longer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from . import kill9, same_moment

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.postgres import PostgresServer


def test_what_was_acknowledged_is_counted_exactly_once_though_replicas_are_killed(
    postgres: PostgresServer, tmp_path: Path, figure: Callable[[str], None]
) -> None:
    outcome = kill9.run(kills=4, workers=1, seed=9, folder=tmp_path, url=postgres.new_store(), replicas=2)
    figure(str(outcome))
    assert not outcome.wrong, outcome
    assert outcome.told.acknowledged > 0


def test_an_event_that_two_replicas_are_given_at_the_same_moment_is_counted_once(
    postgres: PostgresServer, figure: Callable[[str], None]
) -> None:
    outcome = same_moment.run(postgres.new_store(), 1000)
    figure(str(outcome))
    assert outcome.exact, outcome
