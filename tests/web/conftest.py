from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.listener import Listener, listening

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as one:
        yield one
