"""What the landing page says of each tenant: has Stripe reached it, what was refused, what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bw_exporter import catalog
from bw_exporter.series import series

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bw_exporter.catalog import Family
    from bw_exporter.store import Store
    from bw_exporter.tenants import Tenant

MOST_TENANTS = 200

_REFUSED = {
    "bad_signature": "The secret is not this endpoint's: in Stripe's dashboard open the webhook endpoint,"
    " reveal its signing secret (whsec_…) and give that to this tenant. Each endpoint, and each mode, has its own.",
    "expired_signature": "Signed more than 5 minutes ago, or in the future: check that this host's clock is"
    " right (timedatectl).",
    "malformed": "Not a Stripe event: something else posts to this address, or a proxy changes the body.",
    "too_large": "Above 1 MiB, which no Stripe event is: something else posts to this address.",
    "rate_limited": "Above the rate_limit; Stripe sends these again. Raise it if the traffic is real.",
    "store_error": "The store could not commit, so Stripe sends these again. The log and /-/ready say why.",
}
_IGNORED = {
    "wrong_mode": "Of the other Stripe mode: set the tenant's mode, or remove that mode's endpoint.",
    "connect": "Events of connected accounts: let the endpoint listen to events on your account only.",
    "thin": "Thin events hold no amounts: let the endpoint send snapshot payloads.",
    "malformed": "Events whose object could not be read: the log says which.",
}


@dataclass(frozen=True, slots=True)
class Remark:
    """A count that a person may want to act on."""

    what: str
    count: int
    way_out: str


@dataclass(frozen=True, slots=True)
class Row:
    """One tenant on the page; `address` is shortened where it is a secret token."""

    id: str
    name: str
    mode: str
    address: str
    last_event: str
    accepted: int
    redelivered: int
    remarks: tuple[Remark, ...]


def chosen(tenants: Sequence[Tenant], wanted: str) -> list[Tenant]:
    """Return the tenants whose id or name contains `wanted`, whatever its case."""
    wanted = wanted.strip().lower()
    return [tenant for tenant in tenants if wanted in tenant.id.lower() or wanted in tenant.name.lower()]


def row(tenant: Tenant, store: Store, now: int) -> Row:
    """Read one tenant's row from the store."""
    samples = store.samples(tenant.id)

    def count(family: Family, *values: str) -> int:
        return samples.get(series(family, tenant.id, values).line, 0)

    refused = [
        Remark(f"refused: {result}", count(catalog.WEBHOOK_REQUESTS, result), way_out)
        for result, way_out in _REFUSED.items()
    ]
    ignored = [
        Remark(f"ignored: {reason}", count(catalog.EVENTS_IGNORED, reason), way_out)
        for reason, way_out in _IGNORED.items()
    ]
    return Row(
        id=tenant.id,
        name=tenant.name,
        mode=tenant.mode,
        address=f"/webhooks/{tenant.path}" if tenant.path == tenant.id else f"/webhooks/{tenant.path[:4]}…",
        last_event=ago(count(catalog.LAST_EVENT), now),
        accepted=count(catalog.WEBHOOK_REQUESTS, "accepted"),
        redelivered=count(catalog.WEBHOOK_REQUESTS, "redelivered"),
        remarks=tuple(remark for remark in (*refused, *ignored) if remark.count),
    )


def unknown_requests(store: Store) -> int:
    """Return how many requests named no tenant of ours."""
    line = series(catalog.WEBHOOK_REQUESTS, "", (catalog.UNKNOWN_TENANT,)).line
    return store.samples("").get(line, 0)


def ago(at: int, now: int) -> str:
    """Return how long ago a moment was, in one unit; `never` for 0."""
    if not at:
        return "never"
    seconds = max(now - at, 0)
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"
