from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bw_exporter.store import Store, open_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path}/billing.db")
    yield opened
    opened.close()
