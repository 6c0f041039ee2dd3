"""The webhook endpoint at Stripe that leads to a tenant: whether there is one, enabled, and for which events."""

from __future__ import annotations

import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass

from bw_exporter.stripe_api.errors import StripeApiError
from bw_exporter.stripe_api.lists import PAGE, Client

EVERY_TYPE = "*"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A webhook endpoint as Stripe has it. `events` are names of types, or `*`; `api_version` may be the account's."""

    url: str
    enabled: bool
    events: frozenset[str]
    api_version: str | None = None

    def selects(self, event_type: str) -> bool:
        """Tell whether Stripe sends events of this type to it."""
        return EVERY_TYPE in self.events or event_type in self.events


def endpoints(client: Client) -> list[Endpoint]:
    """Return all endpoints of the account; it has at most 16 (docs.stripe.com/webhooks). Raises StripeApiError."""
    page = client.get("/v1/webhook_endpoints", limit=PAGE)
    found = page.get("data")
    if not isinstance(found, list):
        raise StripeApiError("other", "/v1/webhook_endpoints was answered by what is no list")
    return [
        Endpoint(
            str(each.get("url")),
            each.get("status") == "enabled",
            frozenset(map(str, each.get("enabled_events") or ())),
            each.get("api_version"),
        )
        for each in found
        if isinstance(each, dict)
    ]


def of_tenant(found: list[Endpoint], path: str, webhook_url: str = "") -> list[Endpoint]:
    """Return the endpoints that lead to a tenant, those that are enabled first.

    `path` is the last part of the tenant's webhook URL. Where `webhook_url`, the address of the public listener, is
    known, the whole address has to be equal; else the end of its path, `/webhooks/<path>`.
    """
    if webhook_url:
        wanted = f"{webhook_url.rstrip('/')}/webhooks/{path}"
        ours = [each for each in found if each.url.rstrip("/") == wanted]
    else:
        end = f"/webhooks/{path}"
        ours = [each for each in found if urllib.parse.urlsplit(each.url).path.rstrip("/").endswith(end)]
    return sorted(ours, key=lambda each: not each.enabled)


def selects(ours: Sequence[Endpoint], event_type: str) -> bool:
    """Tell whether Stripe sends events of this type to one of a tenant's endpoints, or did until it was disabled."""
    return any(each.selects(event_type) for each in [one for one in ours if one.enabled] or ours)
