"""The public listener on a real store, with a clock that moves only when told to."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_classic
from werkzeug.test import TestResponse

from bw_exporter import housekeeping
from bw_exporter.config.current import ConfigState, CurrentConfig
from bw_exporter.config.tenants import RateLimit, Tenant, Tenants
from bw_exporter.housekeeping import StoreHealth
from bw_exporter.metrics import catalog
from bw_exporter.metrics.family import Family
from bw_exporter.metrics.series import series
from bw_exporter.monitoring import exposition
from bw_exporter.store import Store, open_store
from bw_exporter.webhook.app import public_app
from bw_exporter.webhook.rate_limit import RateLimiter
from bw_exporter.webhook.refusals import Refusals
from bw_simulator.sender import sign

NOW = 1_795_000_000
DAY = 86_400
SECRET = "whsec_shop"


def tenant(**fields: Any) -> Tenant:
    settings: dict[str, Any] = {
        "id": "shop",
        "name": "Shop",
        "mode": "live",
        "path": "shop",
        "secrets": (SECRET,),
        "rate_limit": RateLimit(),
        "revenue_basis": "charge",
        "detectors": {},
        "notify": (),
        "labels": {},
    }
    return Tenant(**{**settings, **fields})


class Listener:
    """One tenant's webhook, posted to through WSGI."""

    def __init__(self, store: Store, *owners: Tenant) -> None:
        self.now: float = NOW
        self.store = store
        self.tenants = owners or (tenant(),)
        state = ConfigState(
            Tenants(self.tenants, {}, "tenants.yaml"),
            NOW,
            last_reload_successful=True,
            problems=(),
            attempted_monotonic=0,
        )
        self.config = CurrentConfig(state)
        self.refusals = Refusals()
        self.app = public_app(
            self.config, store, self.refusals, RateLimiter(slots=64), clock=lambda: self.now
        )
        store.register([owner.id for owner in self.tenants], NOW)

    def post(self, body: bytes, signature: str | None = None, path: str = "/webhooks/shop") -> TestResponse:
        headers = {} if signature is None else {"Stripe-Signature": signature}
        return self.app.test_client().post(path, data=body, headers=headers)

    def deliver(self, body: bytes | dict[str, Any]) -> int:
        """Post a body as Stripe would; return the status."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.post(raw, sign(raw, SECRET, int(self.now))).status_code

    def value(self, family: Family, *values: str, tenant_id: str = "shop") -> int:
        self.refusals.flush(self.store)
        return self.store.samples(tenant_id).get(series(family, tenant_id, values).line, 0)

    def requests(self, result: str, tenant_id: str = "shop") -> int:
        return self.value(catalog.WEBHOOK_REQUESTS, result, tenant_id=tenant_id)

    def counters(self) -> dict[str, int]:
        """Every series of the tenant that may only grow."""
        gauges = tuple(family.name + "{" for family in catalog.FAMILIES if family.type == "gauge")
        return {
            line: value for line, value in self.store.samples("shop").items() if not line.startswith(gauges)
        }

    def keep_house(self, later: int) -> None:
        """Let time pass: settle what waits, forget what is old."""
        housekeeping.resolve_due(self.store, int(self.now) + later)
        housekeeping.prune(self.store, int(self.now) + later)

    def check_exposition(self) -> None:
        """Parse all of it in both formats; every family and every label value has to be the catalogue's."""
        self.refusals.flush(self.store)
        health = StoreHealth(self.store.schema_version)
        body, _ = exposition.render(self.store, self.config.state, health, "")
        named = {name: family for family in catalog.FAMILIES for name in family.sample_names}
        for metric in parse_classic(body.decode()):
            for sample in metric.samples:
                family = named[sample.name]
                for label in family.labels:
                    value = sample.labels[label.name]
                    unknown = value == catalog.UNKNOWN_TENANT and not sample.labels["tenant"]
                    assert not label.values or value in label.values or unknown, sample
                assert sample.labels.get("tenant", "") in ("", *(owner.id for owner in self.tenants)), sample
                allowed = {*family.label_names, *(["le"] if sample.name.endswith("_bucket") else [])}
                assert sample.labels.keys() == allowed, sample
        body, _ = exposition.render(self.store, self.config.state, health, "application/openmetrics-text")
        assert list(parse_openmetrics(body.decode()))  # type: ignore[no-untyped-call]


@contextmanager
def listening(*owners: Tenant) -> Iterator[Listener]:
    """A listener on a store of its own, in memory where that is a file system, gone afterwards."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="billing-", dir=memory) as folder:
        store = open_store(f"sqlite:///{folder}/billing.db")
        try:
            yield Listener(store, *owners)
        finally:
            store.close()
