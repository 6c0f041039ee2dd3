"""All tenants at a glance: those in trouble first, a page at a time."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from bw_exporter.metrics import catalog
from bw_exporter.monitoring.landing import counts
from bw_exporter.monitoring.landing.lag import OnTime, on_time
from bw_exporter.monitoring.landing.standing import (
    FAMILIES,
    RANK,
    RECENT_SECONDS,
    STATES,
    TROUBLES,
    WAITING,
    Standing,
    State,
    standing,
)

if TYPE_CHECKING:
    from bw_exporter.config.tenants import Tenants
    from bw_exporter.monitoring.landing.recent import Recent
    from bw_exporter.store import Store

PAGE_SIZE = 50


@dataclass(frozen=True, slots=True)
class Search:
    """Which tenants to list: a part of the id or name, a state's key (empty for all), and the page from 1 on."""

    text: str = ""
    state: str = ""
    page: int = 1

    def query(self, **changes: object) -> str:
        """Return the query string of the same search with changes."""
        other = replace(self, **changes)  # type: ignore[arg-type]
        values = {"q": other.text, "state": other.state, "page": other.page if other.page > 1 else ""}
        return "?" + urlencode({name: value for name, value in values.items() if value})


@dataclass(frozen=True, slots=True)
class Overview:
    """One page of it; `rows` pairs each tenant shown with how punctual its events are."""

    search: Search
    total: int
    states: tuple[tuple[State, int], ...]
    found: int
    pages: int
    rows: tuple[tuple[Standing, OnTime | None], ...]
    unknown: int
    unknown_at: int
    unknown_recent: bool

    @property
    def troubled(self) -> int:
        """How many tenants need a look."""
        return sum(count for state, count in self.states if state.key in TROUBLES)

    @property
    def waiting(self) -> int:
        """How many tenants Stripe has not reached yet."""
        return sum(count for state, count in self.states if state is WAITING)

    @property
    def first(self) -> int:
        """The number of the first tenant shown, among those found."""
        return (self.search.page - 1) * PAGE_SIZE + 1


def overview(tenants: Tenants, store: Store, recent: Recent, search: Search, now: int) -> Overview:
    """Judge every tenant and return one page of those found; raises StoreUnavailableError."""
    read = counts.read(store, FAMILIES)
    recent.note(read, now)
    nothing: counts.Counts = {}
    standings = [standing(tenant, read.get(tenant.id, nothing), recent, now) for tenant in tenants.all]
    tally = Counter(each.state for each in standings)
    text = search.text.strip().lower()
    chosen = sorted(
        (each for each in standings if _matches(each, text, search.state)),
        key=lambda each: (RANK[each.state], each.tenant.id),
    )
    pages = max(-(-len(chosen) // PAGE_SIZE), 1)
    search = replace(search, page=min(search.page, pages))
    shown = chosen[(search.page - 1) * PAGE_SIZE :][:PAGE_SIZE]
    lags = counts.read(store, (catalog.WEBHOOK_LAG,), [each.tenant.id for each in shown])
    unknown_at = recent.at("", catalog.UNKNOWN_TENANT)
    return Overview(
        search,
        len(standings),
        tuple((state, tally[state]) for state in STATES if tally[state]),
        len(chosen),
        pages,
        tuple((each, on_time(each.tenant, lags.get(each.tenant.id, nothing))) for each in shown),
        counts.of(read.get("", nothing), catalog.WEBHOOK_REQUESTS, catalog.UNKNOWN_TENANT),
        unknown_at,
        unknown_at > now - RECENT_SECONDS,
    )


def _matches(each: Standing, text: str, state: str) -> bool:
    if state and each.state.key != state:
        return False
    return not text or text in each.tenant.id or text in each.tenant.name.lower()
