"""Keep a store of the newest schema as SQL, for the tests of later upgrades.

Run it by `PYTHONPATH=tests python -m fire.keep_schema`. A shop with every anomaly is played into a new store;
its tables go to stores/schema-N.sql, and what a scrape shows of it
to stores/schema-N.prom. Once a schema is released, its files are never made anew.
"""

from __future__ import annotations

import json
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from bw_exporter.store import open_store
from bw_exporter.store.sqlite.schema import LATEST
from bw_simulator.shop import anomalies
from bw_simulator.shop.traffic import Shop
from support.listener import NOW, Listener

STORES = Path(__file__).with_name("stores")


def played() -> list[bytes]:
    """Return the events of the kept shop, in order."""
    shop = Shop("shop", seed=11, started_at=NOW)
    told = [event for number in range(12) for event in shop.next(NOW - 120 + 10 * number)]
    for name in anomalies.names():
        told += anomalies.play(name, "shop", NOW)[:12]
    return [json.dumps(event).encode() for event in told]


def shown(listener: Listener) -> str:
    """Return the stored lines of a scrape."""
    families = listener.store.families(["shop"])
    return "".join(f"{line}\n" for _, lines in families for line in lines.decode().split("\n"))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(f"sqlite:///{folder}/kept.db")
        listener = Listener(store)
        for body in played():
            listener.deliver(body)
        listener.keep_house(60)
        text = shown(listener)
        store.close()
        with closing(sqlite3.connect(f"{folder}/kept.db")) as kept:
            dump = "".join(f"{line}\n" for line in kept.iterdump())
    STORES.mkdir(exist_ok=True)
    (STORES / f"schema-{LATEST}.sql").write_text(dump)
    (STORES / f"schema-{LATEST}.prom").write_text(text)


if __name__ == "__main__":
    main()
