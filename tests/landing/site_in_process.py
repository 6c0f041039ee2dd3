"""The private application on a store of its own, asked without a socket, at a time of the test's choosing."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from flask import Flask

from bw_exporter.config import tenants
from bw_exporter.config.current import ConfigState, CurrentConfig
from bw_exporter.housekeeping import StoreHealth
from bw_exporter.metrics import catalog
from bw_exporter.metrics.family import Family
from bw_exporter.metrics.series import Add, RaiseTo
from bw_exporter.monitoring.landing.pages import Sources, pages
from bw_exporter.monitoring.landing.recent import Recent
from bw_exporter.store import Finding, open_store
from bw_rules.detectors import THRESHOLDS

_INLINE = ("a", "bdi", "code", "span", "strong", "time", "var")
NOW = 1_790_000_000


class Site:
    def __init__(self, folder: Path, config: str) -> None:
        file = folder / "tenants.yaml"
        file.write_text(config)
        self.now = NOW
        self.tenants = tenants.load(str(file), detectors=THRESHOLDS)
        self.store = open_store(f"sqlite:///{folder}/store.db")
        self.store.register([tenant.id for tenant in self.tenants.all], NOW - 86_400)
        state = ConfigState(
            self.tenants, NOW - 60, last_reload_successful=True, problems=(), attempted_monotonic=0
        )
        self.config = CurrentConfig(state)
        self.recent = Recent()
        self.recent.look(self.store, NOW - 3600)
        self.not_ready = ""
        sources = Sources(
            self.config,
            self.store,
            StoreHealth(self.store.schema_version, up=True),
            self.recent,
            lambda: self.not_ready,
            "https://hooks.example.com",
            lambda: self.now,
        )
        app = Flask(__name__, static_folder=None)
        app.register_blueprint(pages(sources))
        self._client = app.test_client()

    def get(self, path: str = "/") -> str:
        answer = self._client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.text

    def ask(self, path: str) -> Any:
        return self._client.get(path)

    def count(self, tenant: str, family: Family, *values: str, amount: int = 1) -> None:
        self.store.write(lambda tx: tx.change(tenant, (Add(family, values, amount),)))

    def accept(self, tenant: str, amount: int = 1, at: int | None = None) -> None:
        """Count events as accepted, the last one now."""
        self.count(tenant, catalog.WEBHOOK_REQUESTS, "accepted", amount=amount)
        self.store.write(lambda tx: tx.change(tenant, (RaiseTo(catalog.LAST_EVENT, at or self.now),)))

    def refuse(self, tenant: str, result: str = "bad_signature", amount: int = 1) -> None:
        self.count(tenant, catalog.WEBHOOK_REQUESTS, result, amount=amount)

    def find(self, tenant: str, kind: str, details: dict[str, Any], at: int | None = None) -> None:
        self.store.write(lambda tx: tx.report(Finding(at or self.now, tenant, kind, details)))

    def state(self, tenant: str) -> str:
        """Return the word that the tenant's page gives its state, as the overview has to."""
        page = self.get(f"/tenants/{tenant}")
        said = re.search(r'<span class="badge \w+"><span aria-hidden="true">.</span> ([\w ]+)<', page)
        assert said
        row = self.get(f"/?q={tenant}").partition("<tbody>")[2].partition("</tbody>")[0]
        assert f"</span> {said[1]}</span>" in row
        return said[1]


class Outline(HTMLParser):
    """A page's elements with the names of their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(name for name, _ in attrs)))
        if tag not in _INLINE:
            self.text += " "

    def handle_data(self, data: str) -> None:
        self.text += data
