"""A primary and its synchronous standby under replicas of the exporter; `make chaos` does the first for longer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bw_exporter.errors import StoreUnavailableError
from bw_exporter.store.postgres.store import PostgresStore
from support.postgres import NoPostgresError

from . import failover
from .failover import Pair
from .kill9 import Told


@pytest.fixture(scope="module")
def both() -> Iterator[Pair]:
    try:
        with failover.replicated() as pair:
            yield pair
    except NoPostgresError as error:
        pytest.skip(f"no PostgreSQL: {error}")


@pytest.fixture
def pair(both: Pair) -> Pair:
    """A primary and a standby that follows it, whatever became of them in another test."""
    if not both.standby.running:
        both.rebuild()
    return both


def test_a_promoted_standby_has_all_that_was_acknowledged_and_ingest_goes_on_without_a_restart(
    pair: Pair, tmp_path: Path, figure: Callable[[str], None]
) -> None:
    outcome = failover.run(pair, tmp_path, times=1, seed=11)
    figure(str(outcome))
    assert not outcome.wrong, outcome
    assert not outcome.restarted


def test_nothing_is_acknowledged_that_a_standby_lacks_and_ingest_goes_on_when_it_is_back(
    pair: Pair, tmp_path: Path, figure: Callable[[str], None]
) -> None:
    told = Told()
    with failover.exporting(tmp_path, pair.new_store()) as exporters:
        with failover.loaded(exporters, told, 12) as load:
            load.await_acknowledged(50)
            before = load.processes()
            pair.standby.kill()
            load.await_refused()
            pair.standby.start()
            load.await_acknowledged(50)
            # And once more: what the primary alone has committed by then is not there after the fail-over.
            pair.standby.kill()
            time.sleep(0.2)
            pair.primary.kill()
            pair.standby.start()
            pair.fail_over()
            load.await_acknowledged(50)
            assert load.processes() == before
        assert not load.wrong()
    figure(
        f"without its standby: {told.refused} tries answered 503, the slowest after {told.refused_seconds:.1f} s"
    )


def test_an_old_primary_that_comes_back_acknowledges_nothing_as_its_commits_wait_for_a_standby(
    pair: Pair, tmp_path: Path
) -> None:
    told, url = Told(), pair.new_store()
    with failover.exporting(tmp_path, url) as exporters:
        with failover.loaded(exporters, told, 13) as load:
            load.await_acknowledged(50)
            pair.primary.kill()
            pair.fail_over()
            load.await_acknowledged(50)
            pair.standby.start()  # as the primary it was, and the first host of the URL
            with closing(PostgresStore(url)) as store:
                store._writer.connection().answer_seconds = 0.5
                with pytest.raises(StoreUnavailableError, match="did not answer"):
                    store.write(lambda tx: tx.remember_event(1, "north", "evt_lost"))
                load.await_acknowledged(50)
                pair.standby.kill()
                assert store.write(lambda tx: tx.remember_event(1, "north", "evt_lost"))
        assert not load.wrong()
