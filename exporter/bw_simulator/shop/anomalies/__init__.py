"""The trouble that the detectors find, one module each, named like its detector.

Each module has ANOMALY. To add one, add a module: the list is what the folder holds.
"""

from __future__ import annotations

import importlib
import pkgutil

from bw_simulator.shop.anomalies.anomaly import Anomaly
from bw_simulator.shop.ids import Ids
from bw_simulator.shop.shapes import Json
from bw_simulator.shop.traffic import Shop


def names() -> tuple[str, ...]:
    """Return the names of all anomalies, those that take traffic away last."""
    found = [module.name for module in pkgutil.iter_modules(__path__) if module.name != "anomaly"]
    order = ("open", "no sales", "silent")
    return tuple(sorted(found, key=lambda name: (order.index(load(name).leaves), name)))


def load(name: str) -> Anomaly:
    """Return the anomaly of that name; raise ModuleNotFoundError where there is none."""
    found: Anomaly = importlib.import_module(f"{__name__}.{name}").ANOMALY
    return found


def play(name: str, tenant_id: str, now: int, *, seed: int = 1) -> list[Json]:
    """Return the events of an anomaly that strikes a tenant `now`; the same arguments, the same events."""
    return load(name).events(Ids(f"{seed}/{tenant_id}/{name}/{now}"), now)


def strike(name: str, shop: Shop, tenant_id: str, now: int, *, seed: int = 1) -> list[Json]:
    """Let an anomaly strike a shop: return its events, and leave of the traffic what it leaves."""
    anomaly = load(name)
    shop.suffer(anomaly.leaves)
    return play(name, tenant_id, now, seed=seed) + anomaly.to_shop(shop, now)
