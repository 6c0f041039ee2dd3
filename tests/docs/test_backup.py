"""What operations.md says of backup and restore, under load."""

from __future__ import annotations

import contextlib
import re
import sqlite3
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from support.pages import Block

from .stage import PATIENCE_SECONDS, Stage

TENANTS = "tenants: {shop: {webhook_secret: whsec_0123456789abcdefghijkl}}\n"
SERVE = "bw-exporter serve --storage.url sqlite:///store.db"


def block(text: str, kind: str = "run", remark: str = "", language: str = "sh") -> Block:
    return Block("operations.md", 0, language, text, kind, remark)  # type: ignore[arg-type]


def counted(store: Path) -> tuple[int, int]:
    """(events counted, event ids remembered) of a sound store: in step, whenever it was copied."""
    with contextlib.closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        [events] = connection.execute(
            "SELECT sum(value) FROM series WHERE line LIKE 'billing_events_total{%'"
        ).fetchone()
        [ids] = connection.execute("SELECT count(*) FROM events").fetchone()
    return events, ids


def exposed(stage: Stage) -> int:
    with urllib.request.urlopen(stage.moved("http://127.0.0.1:9847/metrics"), timeout=30) as answer:
        text = answer.read().decode()
    return sum(map(int, re.findall(r"^billing_events_total\{.*\} (\d+)$", text, re.MULTILINE)))


def wait_for(stage: Stage, events: int) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while exposed(stage) < events:
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_copy_taken_under_load_is_whole_and_serves_what_it_holds(tmp_path: Path) -> None:
    live, vacuumed, copied = (tmp_path / name for name in ("store.db", "vacuumed.db", "copied.db"))
    with Stage(tmp_path) as stage:
        stage.play(block(TENANTS, "file", "tenants.yaml", "yaml"))
        stage.play(block(SERVE, "stays", "9847"))
        program = str(Path(sys.executable).with_name("bw-exporter"))
        shop = subprocess.Popen(
            [
                program, "simulate", "--rate", "300", "--url", stage.moved("http://127.0.0.1:8000"), "--quiet",
                "--web.metrics-address", stage.moved("127.0.0.1:9847"),
            ],
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            wait_for(stage, 100)
            with contextlib.closing(sqlite3.connect(f"file:{live}?mode=ro", uri=True)) as source:
                source.execute("VACUUM INTO ?", (str(vacuumed),))
                with contextlib.closing(sqlite3.connect(copied)) as target:
                    source.backup(target)
            wait_for(stage, counted(copied)[0] + 100)
        finally:
            shop.terminate()
            shop.wait(60)
        total = exposed(stage)
        stage.stop("9847")

        for copy in (vacuumed, copied):
            events, ids = counted(copy)
            assert events == ids
            assert 100 <= events < total
        assert counted(live) == (total, total)

        for file in tmp_path.glob("store.db*"):
            file.unlink()
        vacuumed.rename(live)
        stage.play(block(SERVE, "stays", "9847"))
        assert exposed(stage) == counted(live)[0] < total
