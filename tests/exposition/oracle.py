"""The same state as prometheus_client would show it: its metrics, filled by its own means, and its renderers."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from bw_exporter import __version__
from bw_exporter.metrics import catalog
from bw_exporter.metrics.family import Family
from bw_exporter.metrics.money import MINOR_UNITS
from bw_exporter.metrics.series import Add, Observe, RaiseTo

from .states import HEALTH, NOW, STORED, State

Key = tuple[int, tuple[str, ...]]


class Oracle(Collector):
    """Counts a state in dictionaries."""

    def __init__(self, state: State, commits: int) -> None:
        self.state, self.commits = state, commits
        self.values: dict[Key, int] = {}
        self.observed: dict[str, list[int]] = {name: [] for name in state.names}
        for family in STORED:
            for tenant in state.names:
                for values in _initial(family):
                    self.values[family.number, (tenant, *values)] = 0
        for tenant in state.names:
            self.values[catalog.TENANT_CREATED.number, (tenant,)] = NOW
        for counted in state.counted:
            if counted.tenant in state.names:
                self._count(counted.tenant, counted.change)
        self.values[catalog.WEBHOOK_REQUESTS.number, ("", catalog.UNKNOWN_TENANT)] = state.unknown

    def _count(self, tenant: str, change: Add | RaiseTo | Observe) -> None:
        if isinstance(change, Observe):
            self.observed[tenant].append(change.value)
        elif isinstance(change, RaiseTo):
            key: Key = (change.family.number, (tenant,))
            self.values[key] = max(self.values.get(key, 0), change.value)
        else:
            key = (change.family.number, (tenant, *change.values))
            self.values[key] = self.values.get(key, 0) + change.amount

    def registry(self) -> CollectorRegistry:
        registry = CollectorRegistry()
        registry.register(self)
        return registry

    def collect(self) -> Iterator[Metric]:
        for family in catalog.FAMILIES:
            if family.type == "histogram":
                yield self._histogram(family)
            elif family.stored and family.per_tenant:
                samples = [
                    (labels, value)
                    for (number, labels), value in self.values.items()
                    if number == family.number
                ]
                yield _metric(family, family.label_names, samples)
        yield from self._of_the_process()

    def _histogram(self, family: Family) -> Metric:
        metric = HistogramMetricFamily(family.name, family.help, labels=["tenant"])
        for tenant in self.state.names:
            seen = self.observed[tenant]
            buckets = [
                (f"{bound:.1f}", float(sum(value <= bound for value in seen))) for bound in family.buckets
            ]
            metric.add_metric([tenant], [*buckets, ("+Inf", float(len(seen)))], float(sum(seen)))
        return metric

    def _of_the_process(self) -> Iterator[Metric]:
        tenants = [((each.id, each.name, each.mode), 1) for each in self.state.tenants]
        yield _metric(catalog.TENANT_INFO, ("tenant", "name", "mode"), tenants)
        offsets = [((each.id,), 0) for each in self.state.tenants]
        yield _metric(catalog.TENANT_UTC_OFFSET, ("tenant",), offsets)
        asked = [((each.id,), 0) for each in self.state.tenants]
        yield _metric(catalog.CATCH_UP_INTERVAL, ("tenant",), asked)
        units = [((code,), number) for code, number in MINOR_UNITS.items()]
        yield _metric(catalog.CURRENCY_MINOR_UNITS, ("currency",), units)
        # A new store has them all from its first registration on.
        yield _metric(catalog.FAMILY_BEGAN, ("family",), [((family.name,), NOW) for family in STORED])
        build = [((__version__, platform.python_version()), 1)]
        yield _metric(catalog.BUILD_INFO, ("version", "python"), build)
        for family, value in (
            (catalog.STORE_COMMITS, self.commits),
            (catalog.CONFIG_LAST_RELOAD_SUCCESSFUL, 1),
            (catalog.CONFIG_LAST_RELOAD_SUCCESS_AT, NOW),
            (catalog.STORE_UP, 1),
            (catalog.STORE_SIZE, HEALTH.size_bytes),
            (catalog.STORE_SCHEMA_VERSION, HEALTH.schema_version),
            (catalog.STORE_PROBE_SECONDS, HEALTH.probe_seconds),
        ):
            yield _metric(family, (), [((), value)])


def _initial(family: Family) -> list[tuple[str, ...]]:
    """A histogram has no labels beside the tenant, and is not counted here; some gauges appear with their value."""
    if family.type == "histogram" or not family.from_start:
        return []
    found: list[tuple[str, ...]] = [()]
    for label in family.labels:
        found = [(*left, right) for left in found for right in label.initial]
    return found


def _metric(
    family: Family, names: tuple[str, ...], samples: Sequence[tuple[tuple[str, ...], float]]
) -> Metric:
    kind = CounterMetricFamily if family.type == "counter" else GaugeMetricFamily
    metric = kind(family.name, family.help, labels=names)
    for labels, value in samples:
        metric.add_metric(list(labels), value)
    return metric
