"""A tenant's books: events go in through the real line and the real store, numbers come out of the exposition."""

from __future__ import annotations

import json
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from bw_exporter import housekeeping, ingest
from bw_exporter.config.tenants import RateLimit, Tenant
from bw_exporter.store import Finding, Store
from bw_simulator.shop import events
from bw_simulator.shop.ids import Ids

NOW = 1_800_000_000


def tenant(**fields: Any) -> Tenant:
    settings: dict[str, Any] = {
        "id": "prod",
        "name": "Production",
        "mode": "live",
        "path": "prod",
        "secrets": ("whsec_x",),
        "rate_limit": RateLimit(),
        "revenue_basis": "charge",
        "detectors": {},
        "notify": (),
        "labels": {},
    }
    return Tenant(**{**settings, **fields})


class Books:
    """One tenant on a store of its own; `now` is the clock that moves only when told to."""

    def __init__(self, store: Store, owner: Tenant) -> None:
        self.store = store
        self.tenant = owner
        self.ids = Ids()
        self.now = NOW
        store.register([owner.id], NOW - 86400)

    def event(self, kind: str, about: dict[str, Any], **fields: Any) -> dict[str, Any]:
        fields.setdefault("created_at", self.now)
        return events.event(self.ids, kind, about, **fields)

    def deliver(self, *delivered: dict[str, Any]) -> list[str]:
        """Deliver events in this order; return what became of each."""
        return [
            ingest.receive(json.dumps(each).encode(), self.tenant, self.store, self.now) for each in delivered
        ]

    def send(self, kind: str, about: dict[str, Any], **fields: Any) -> None:
        self.deliver(self.event(kind, about, **fields))

    def pass_time(self, seconds: int) -> None:
        """Let the clock run and the house be kept."""
        self.now += seconds
        housekeeping.resolve_due(self.store, self.now)
        housekeeping.prune(self.store, self.now)

    def value(self, name: str, **labels: str) -> float:
        """Return the sum of the samples of this name that have these labels."""
        return sum(
            value
            for (sample, having), value in self.everything().items()
            if sample == name and labels.items() <= dict(having).items()
        )

    def everything(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        """Return every sample other than 0."""
        text = b"\n".join(lines for _, lines in self.store.families([self.tenant.id])).decode() + "\n"
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.value
        }

    def findings(self) -> list[Finding]:
        return self.store.findings(tenant=self.tenant.id, since_at=0, limit=100)
