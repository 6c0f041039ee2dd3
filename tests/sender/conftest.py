from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from .webhook_sink import Sink


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "tenants.yaml"
    path.write_text(
        "tenants:\n"
        "  shop-a: {webhook_secret: whsec_a}\n"
        "  shop-b: {webhook_secret: [whsec_b, whsec_old], path_token: 6f1c0123456789abcdef}\n"
        "  sandbox: {webhook_secret: whsec_s, mode: test}\n"
    )
    return str(path)
