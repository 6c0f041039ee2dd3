"""What PostgreSQL renders is what SQLite renders, byte for byte."""

from __future__ import annotations

import os
import tempfile
from contextlib import closing
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings

from bw_exporter.store import open_store

from .states import State, states
from .test_exposition import fill, scrape

if TYPE_CHECKING:
    from support.postgres import PostgresServer


@settings(
    max_examples=15,
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(state=states())
def test_both_databases_render_the_same_bytes(postgres: PostgresServer, state: State) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(open_store(f"sqlite:///{folder}/billing.db")) as sqlite,
        closing(open_store(postgres.new_store())) as other,
    ):
        fill(sqlite, state)
        fill(other, state)
        assert scrape(other, state) == scrape(sqlite, state)
        families = [1, 2, 3, 4, 5]
        assert sorted(other.above_zero(families)) == sorted(sqlite.above_zero(families))
        for tenant in state.tenants:
            assert other.samples(tenant.id) == sqlite.samples(tenant.id)
