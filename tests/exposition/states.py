"""States of a store, made up: which tenants there are and what was counted for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from bw_exporter.config.current import ConfigState
from bw_exporter.config.tenants import RateLimit, Tenant, Tenants
from bw_exporter.housekeeping import StoreHealth
from bw_exporter.metrics import catalog
from bw_exporter.metrics.family import Family
from bw_exporter.metrics.series import Add, Change, Observe, RaiseTo

NOW = 1_795_000_000
HEALTH = StoreHealth(schema_version=1, up=True, probe_seconds=0.00213, size_bytes=123_456)

STORED = tuple(family for family in catalog.FAMILIES if family.stored and family.per_tenant)
_RAISED = (catalog.LAST_EVENT, catalog.LAST_DUPLICATE, catalog.LAST_MISMATCH)
_ADDED = tuple(
    family
    for family in STORED
    if family.type != "histogram" and family not in (*_RAISED, catalog.TENANT_CREATED)
)


@dataclass(frozen=True)
class Counted:
    """A change for the tenant at this place in the list of tenants."""

    tenant: str
    change: Change


@dataclass(frozen=True)
class State:
    tenants: tuple[Tenant, ...]
    removed: tuple[str, ...]
    counted: tuple[Counted, ...]
    unknown: int

    @property
    def names(self) -> list[str]:
        return [tenant.id for tenant in self.tenants]


def tenant(tenant_id: str, name: str = "", mode: str = "live") -> Tenant:
    return Tenant(
        id=tenant_id,
        name=name or tenant_id,
        mode="live" if mode == "live" else "test",
        path=tenant_id,
        secrets=("whsec_x",),
        rate_limit=RateLimit(),
        revenue_basis="charge",
        detectors={},
        notify=(),
        labels={},
    )


def configured(tenants: Sequence[Tenant]) -> ConfigState:
    return ConfigState(
        Tenants(tuple(tenants), {}, "tenants.yaml"),
        NOW,
        last_reload_successful=True,
        problems=(),
        attempted_monotonic=0.0,
    )


def _values(family: Family) -> st.SearchStrategy[tuple[str, ...]]:
    return st.tuples(*(st.sampled_from(label.values) for label in family.labels))


@st.composite
def _changes(draw: st.DrawFn) -> Change:
    kind = draw(st.sampled_from(("add", "add", "observe", "raise")))
    if kind == "observe":
        return Observe(
            catalog.WEBHOOK_LAG, draw(st.integers(0, 400_000) | st.sampled_from(catalog.LAG_BUCKETS_SECONDS))
        )
    if kind == "raise":
        return RaiseTo(draw(st.sampled_from(_RAISED)), draw(st.integers(0, 2**40)))
    family = draw(st.sampled_from(_ADDED))
    least = -5 if family.type == "gauge" else 0
    return Add(family, draw(_values(family)), draw(st.integers(least, 3) | st.integers(0, 2**48)))


_IDS = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,20}", fullmatch=True)
_NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.text(
    '"\\\n\r\t{}=,# n', max_size=12
)


@st.composite
def states(draw: st.DrawFn) -> State:
    ids = draw(st.lists(_IDS, min_size=1, max_size=5, unique=True))
    present = sorted(ids[: draw(st.integers(1, len(ids)))])
    counted = draw(st.lists(st.builds(Counted, st.sampled_from(ids), _changes()), max_size=40))
    modes = st.sampled_from(("live", "test"))
    return State(
        tenants=tuple(tenant(each, draw(_NAMES), draw(modes)) for each in present),
        removed=tuple(each for each in ids if each not in present),
        counted=tuple(counted),
        unknown=draw(st.integers(0, 9)),
    )
