"""All of /metrics for 10,000 tenants, rendered by the database, beside a prometheus_client collector."""

from __future__ import annotations

import random
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from benchmarks.bare import SECRET
from benchmarks.load import tenant_name
from benchmarks.row import Row
from bw_exporter.config.current import ConfigState
from bw_exporter.config.tenants import RateLimit, Tenant, Tenants
from bw_exporter.housekeeping import StoreHealth
from bw_exporter.metrics import catalog
from bw_exporter.metrics.family import Family
from bw_exporter.metrics.series import Add, Change, Observe, RaiseTo
from bw_exporter.monitoring import exposition
from bw_exporter.store import Store, open_store

TENANTS = 10_000
NEEDED_SECONDS = 1.0
NEEDED_TIMES = 15.0

_FILLED_AT_ONCE = 200
_LABEL = re.compile(r'"((?:[^"\\]|\\.)*)"')

Sample = tuple[tuple[str, ...], int]


@dataclass(frozen=True, slots=True)
class FamilySamples:
    """A family as the collector is given it: label values and value, the tenant first, `le` last."""

    family: Family
    samples: list[Sample]


def run(quick: bool) -> list[Row]:  # noqa: FBT001 - every benchmark's signature
    """Return the CPU seconds of one scrape, and how many times those a collector takes."""
    with tempfile.TemporaryDirectory() as folder:
        store, state = filled_store(f"sqlite:///{folder}/bench.db", TENANTS)
        health = StoreHealth(store.schema_version)
        ours: list[float] = []
        zipped: list[float] = []
        theirs: list[float] = []
        registry = CollectorRegistry(auto_describe=False)
        collector = Collector(families(store, state))
        registry.register(collector)
        for _ in range(2 if quick else 5):
            took, body = cpu_seconds(lambda: exposition.render(store, state, health, "")[0])
            ours.append(took)
            zipped.append(took + cpu_seconds(lambda body=body: exposition.compressed(body, "gzip"))[0])  # type: ignore[misc]
            if len(theirs) < (1 if quick else 3):
                theirs.append(cpu_seconds(lambda: generate_latest(registry))[0])
        store.close()
    identity, gzip, collected = median(ours), median(zipped), median(theirs)
    lines = body.count(b"\n") - 2 * len(catalog.FAMILIES)
    figures = f"{lines} lines, {len(body) >> 20} MiB; collector {collected:.1f} s"
    times = collected / identity
    return [
        Row(
            f"{times:.0f}x",
            f"CPU, prometheus_client collector : /metrics of {TENANTS} tenants",
            ">= 15x",
            times >= NEEDED_TIMES,
            figures,
        ),
        Row(f"{identity:.2f} s", "CPU of one scrape", "<= 1 s", identity <= NEEDED_SECONDS),
        Row(f"{gzip:.2f} s", "CPU of one scrape with gzip", "<= 1 s", gzip <= NEEDED_SECONDS),
    ]


def cpu_seconds(work: Callable[[], bytes | tuple[bytes, dict[str, str]]]) -> tuple[float, bytes]:
    """Return the CPU seconds of a call, and the bytes it returned."""
    begun = time.process_time()
    result = work()
    took = time.process_time() - begun
    return took, result if isinstance(result, bytes) else result[0]


def filled_store(url: str, tenants: int) -> tuple[Store, ConfigState]:
    """Return a store in which every tenant has lived for a while, and the configuration that names them."""
    names = [tenant_name(number) for number in range(tenants)]
    store, chance = open_store(url), random.Random(tenants)  # noqa: S311 - reproducible, not secret
    store.register(names, 1_795_000_000)
    for start in range(0, tenants, _FILLED_AT_ONCE):
        lived = {name: list(changes(chance)) for name in names[start : start + _FILLED_AT_ONCE]}
        store.write(lambda tx, lived=lived: [tx.change(name, done) for name, done in lived.items()])  # type: ignore[misc]
    return store, configured(names)


def changes(chance: random.Random) -> Iterator[Change]:
    """Yield what a shop in one currency, sometimes two, has done to its series."""
    sales = chance.randrange(100, 10_000)
    yield Add(catalog.CHARGE_ATTEMPTS, (), sales)
    for currency in ("usd", "eur", "gbp")[: chance.randrange(1, 3)]:
        yield Add(catalog.REVENUE, (currency,), sales * 2500)
        yield Add(catalog.REFUNDED, (currency,), sales * 20)
    for reason in ("insufficient_funds", "generic_decline", "expired_card"):
        yield Add(catalog.CHARGE_FAILURES, (reason,), chance.randrange(1, 99))
    for kind in (
        "charge.succeeded",
        "charge.failed",
        "payment_intent.succeeded",
        "invoice.paid",
        "charge.refunded",
    ):
        yield Add(catalog.EVENTS, (kind,), sales)
    yield Add(catalog.WEBHOOK_REQUESTS, ("accepted",), sales * 4)
    yield RaiseTo(catalog.LAST_EVENT, 1_795_000_000 + chance.randrange(10_000))
    for _ in range(3):
        yield Observe(catalog.WEBHOOK_LAG, chance.randrange(90))


def configured(names: list[str]) -> ConfigState:
    """Return the configuration of tenants that want nothing special."""
    tenants = tuple(
        Tenant(name, name, "live", name, (SECRET,), RateLimit(0, 0), "charge", {}, (), {}) for name in names
    )
    everyone = Tenants(all=tenants, receivers={}, source="tenants.yaml")
    return ConfigState(
        everyone, 1_795_000_000, last_reload_successful=True, problems=(), attempted_monotonic=0.0
    )


def families(store: Store, state: ConfigState) -> list[FamilySamples]:
    """Return the stored samples parted into label values, as a collector that keeps rows would have them."""
    found, known = [], {family.number: family for family in catalog.FAMILIES}
    for number, text in store.families([tenant.id for tenant in state.tenants.all]):
        samples = []
        for line in text.decode().splitlines():
            labels, _, value = line.rpartition(" ")
            samples.append((tuple(_LABEL.findall(labels)), int(value)))
        found.append(FamilySamples(known[number], samples))
    return found


class Collector:
    """The yardstick: prometheus_client's own way to expose values that live elsewhere, its rows in memory."""

    def __init__(self, stored: list[FamilySamples]) -> None:
        """Reading rows from a database is not charged to it."""
        self._stored = stored

    def collect(self) -> Iterator[Metric]:
        """Yield each family."""
        for stored in self._stored:
            family = stored.family
            if family.type == "histogram":
                yield _histogram(stored)
                continue
            kind = CounterMetricFamily if family.type == "counter" else GaugeMetricFamily
            metric = kind(family.name, family.help, labels=family.label_names)
            for values, value in stored.samples:
                metric.add_metric(values, value)
            yield metric


def _histogram(stored: FamilySamples) -> Metric:
    """Put buckets, sum and count together again; they stand one tenant after the other."""
    family = stored.family
    metric = HistogramMetricFamily(family.name, family.help, labels=family.label_names)
    size = len(family.buckets) + 3
    for start in range(0, len(stored.samples), size):
        *buckets, (labels, total), _count = stored.samples[start : start + size]
        metric.add_metric(labels, [(values[-1], value) for values, value in buckets], total)
    return metric
