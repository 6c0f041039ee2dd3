"""A little fuzzing with every run, the same each time; `make fuzz` goes on for as long as it is let."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from support.listener import listening

from .mutations import CORPUS
from .targets import event_holds_at, targets

TARGETS = ("events", "signatures", "tenants", "web")
EXAMPLES = {"events": 60, "signatures": 150, "tenants": 300, "web": 150}


@pytest.mark.parametrize("name", TARGETS)
def test_whatever_comes_near_to_the_real_thing_is_taken_or_refused(name: str):
    target = targets()[name]

    @settings(
        max_examples=EXAMPLES[name], derandomize=True, deadline=None, database=None,
        suppress_health_check=list(HealthCheck), phases=(Phase.generate, Phase.shrink),
    )  # fmt: skip
    @given(target.strategy)
    def holds(data: bytes) -> None:
        target.holds(data)

    holds()


@pytest.mark.parametrize("name", TARGETS)
def test_what_was_found_once_stays_mended(name: str):
    target = targets()[name]
    files = sorted((CORPUS / target.corpus).iterdir())
    assert files
    if name == "events":
        with listening() as listener:
            for file in files:
                event_holds_at(listener, file.read_bytes())
        return
    for file in files:
        target.holds(file.read_bytes())
