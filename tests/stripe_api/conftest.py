from __future__ import annotations

from collections.abc import Iterator

import pytest

from bw_simulator.fake_stripe import Account, FakeStripe, fake_stripe
from support.starting import start

__all__ = ["start"]

KEY = "rk_test_0123456789"


@pytest.fixture(scope="module")
def server() -> Iterator[FakeStripe]:
    with fake_stripe() as running:
        yield running


@pytest.fixture
def account(server: FakeStripe) -> Account:
    """The account behind KEY, empty."""
    server.accounts.clear()
    return server.account(KEY)
