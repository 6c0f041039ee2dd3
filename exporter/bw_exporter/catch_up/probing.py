"""The probe of each tenant with an API key, as a table for people and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

from bw_exporter.catch_up.probe_of_tenant import probed_by
from bw_exporter.config.tenants import Tenant, Tenants
from bw_exporter.stripe_api import clients
from bw_exporter.stripe_api.once import Once
from bw_exporter.stripe_api.probe import Check

Probed = Sequence[tuple[Tenant, Sequence[Check]]]


def probed(tenants: Tenants, stripe_api_url: str | None, webhook_url: str) -> Probed:
    """Ask Stripe for each tenant; what fails is a check with something to do."""
    client = clients.of_accounts(stripe_api_url)
    by_key = {key: Once(client(key)) for key in {one.api_key for one in tenants.all}}
    return [(one, probed_by(by_key[one.api_key], one, webhook_url)) for one in tenants.all]


def _table(found: Probed) -> str:
    width = max(len(check.name) for _, checks in found for check in checks)
    lines = []
    for tenant, checks in found:
        lines.append(f"{tenant.id}: {_outcome(checks)}")
        for check in checks:
            lines.append(f"  {'to do' if check.todo else 'ok   '}  {check.name:{width}}  {check.said}")
            if check.todo:
                lines.append(f"  {'':{width + 7}}  {check.todo}")
    return "".join(f"{_printable(line)}\n" for line in lines)


def _outcome(checks: Sequence[Check]) -> str:
    left = sum(bool(check.todo) for check in checks)
    if not left:
        return "all is well"
    return "one thing to do" if left == 1 else f"{left} things to do"


def _printable(text: str) -> str:
    """Return the text without anything that a terminal would obey: some of it is Stripe's."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


def _json(found: Probed) -> str:
    document = [
        {
            "tenant": tenant.id,
            "mode": tenant.mode,
            "ok": not any(check.todo for check in checks),
            "checks": [
                {"name": check.name, "ok": not check.todo, "said": check.said, "todo": check.todo}
                for check in checks
            ],
        }
        for tenant, checks in found
    ]
    return json.dumps(document, indent=2) + "\n"


FORMATS: Mapping[str, Callable[[Probed], str]] = {"table": _table, "json": _json}
"""By the name of `--format`: from what was found to the text to print."""
