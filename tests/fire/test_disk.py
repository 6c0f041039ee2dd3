from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from support.exporter import ONE_TENANT, RunningExporter, eventually

from .crowd import LONG, Senders
from .disks import small_disk

KIB = 1 << 10
DISK_KIB = 48 * KIB  # the log of writes alone takes 16 MiB before SQLite begins it anew


def test_a_full_disk_is_503_and_costs_no_count_and_it_goes_on_when_there_is_room(
    tmp_path: Path, figure: Callable[[str], None]
):
    with small_disk(tmp_path, DISK_KIB) as disk:
        url = f"sqlite:///{disk.path}/billing.db"
        with RunningExporter(tmp_path, ONE_TENANT, "--storage.url", url, within=disk.within) as exporter:
            exporter.ready()
            with Senders(exporter.public, pause=0.005) as senders:
                for _ in range(10 if LONG else 1):
                    senders.wait_for(100)
                    _fill(disk.outside / "ballast")
                    senders.wait_for_answer(503, more=20)
                    assert exporter.get("/-/healthy").status == 200
                    eventually(lambda: exporter.get("/-/ready").status == 503)
                    (disk.outside / "ballast").unlink()
                    senders.wait_for(100)
                    eventually(lambda: exporter.get("/-/ready").status == 200)
            said = senders.exact(exporter)
            assert exporter.stop() == 0
        with closing(sqlite3.connect(disk.outside / "billing.db")) as store:
            assert store.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        figure(f"disk full {10 if LONG else 1} time(s): {said}, integrity ok")


def _fill(ballast: Path) -> None:
    """Take all that is left, to the last page."""
    size = 1024 * KIB
    with ballast.open("ab", buffering=0) as file:
        while size >= 512:
            try:
                if file.write(b"x" * size) < size:
                    size //= 2
            except OSError:
                size //= 2
