"""The events of accounts in the order in which Stripe made them, read span by span, so that few are in memory."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bw_exporter.catch_up.accounts import Account
from bw_exporter.catch_up.turn import Wanting, expected_types
from bw_exporter.past.steps import Arrival
from bw_exporter.stripe_api.endpoints import endpoints, of_tenant
from bw_exporter.stripe_api.errors import StripeApiError
from bw_exporter.stripe_api.events import events_between
from bw_exporter.stripe_api.lists import Client

_FIRST_SPAN_SECONDS, _LONGEST_SPAN_SECONDS, _SHORTEST_SPAN_SECONDS = 3600, 86_400, 60
_FEW, _MANY = 200, 1000


@dataclass(slots=True)
class Counted:
    """A client that counts its requests."""

    client: Client
    requests: int = 0

    def get(self, path: str, **parameters: object) -> dict[str, object]:
        """Return the JSON object at a path. Raises StripeApiError."""
        self.requests += 1
        return self.client.get(path, **parameters)


def arrivals(
    accounts: Sequence[tuple[Account, Client]], since_at: int, until_at: int, webhook_url: str
) -> Iterator[Arrival]:
    """Give each event of the accounts from `since_at` to `until_at`, once for each tenant, as if delivered when made.

    Raises StripeApiError.
    """
    lives = (_of_account(account, client, since_at, until_at, webhook_url) for account, client in accounts)
    return heapq.merge(*lives, key=lambda arrival: arrival.at)


def _of_account(
    account: Account, client: Client, since_at: int, until_at: int, webhook_url: str
) -> Iterator[Arrival]:
    tenants = wanting(account, client, webhook_url)
    every = frozenset().union(*(each.types for each in tenants))
    begin_at, width = since_at, _FIRST_SPAN_SECONDS
    while begin_at <= until_at:
        end_at = min(begin_at + width - 1, until_at)
        events = events_between(client, begin_at, end_at, every)
        for event in events:
            for each in tenants:
                if event.type in each.types:
                    yield Arrival(event.created_at, each.tenant, event.body)
        begin_at = end_at + 1
        if len(events) < _FEW:
            width = min(width * 2, _LONGEST_SPAN_SECONDS)
        elif len(events) > _MANY:
            width = max(width // 2, _SHORTEST_SPAN_SECONDS)


def wanting(account: Account, client: Client, webhook_url: str) -> list[Wanting]:
    """Return each tenant with the types of events that webhooks would have brought. Raises StripeApiError."""
    try:
        listed = endpoints(client)
    except StripeApiError as error:
        if error.reason != "permission":
            raise
        listed = []
    return [
        Wanting(tenant, expected_types(of_tenant(listed, tenant.path, webhook_url)))
        for tenant in account.tenants
    ]
