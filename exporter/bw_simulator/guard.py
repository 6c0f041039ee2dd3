"""Keeps made-up events away from tenants that have real ones: their money would be mixed, and no counter is ever reset.

Only live tenants are asked about. In mode test no money is real.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from http import HTTPStatus

from bw_exporter import private_client
from bw_exporter.config.tenants import Tenant
from bw_exporter.errors import BillingWatchError

_INSTEAD = "play a tenant of `mode: test`, or an exporter with a store of its own"


def refuse_to_mix(tenants: Sequence[Tenant], address: tuple[str, int]) -> None:
    """Raise BillingWatchError where a live tenant has an event of Stripe, or where nobody says whether it has.

    `address` is host and port of the exporter's private listener.
    """
    live = [tenant.id for tenant in tenants if tenant.mode == "live"]
    real = [tenant_id for tenant_id in live if _has_real_events(tenant_id, address)]
    if real:
        raise BillingWatchError(
            f"{', '.join(real)}: the exporter has events of Stripe for this, and made-up money would be mixed with the"
            f" real; {_INSTEAD}. --yes mixes them, for good"
        )


_REASONS = {
    HTTPStatus.UNAUTHORIZED: "it wants a password",
    HTTPStatus.NOT_FOUND: "it does not know this tenant, or is no private listener",
}


def _has_real_events(tenant_id: str, address: tuple[str, int]) -> bool:
    try:
        status, text = private_client.ask(address, f"/tenants/{tenant_id}.json")
    except OSError as error:
        raise _unknown(tenant_id, address, str(error)) from error
    try:
        answer = json.loads(text)["has_real_events"] if status == HTTPStatus.OK else None
    except (ValueError, TypeError, KeyError):
        answer = None
    if not isinstance(answer, bool):
        reason = _REASONS[HTTPStatus(status)] if status in _REASONS else f"it answers {status}"
        raise _unknown(tenant_id, address, reason)
    return answer


def _unknown(tenant_id: str, address: tuple[str, int], reason: str) -> BillingWatchError:
    host, port = address
    return BillingWatchError(
        f"{tenant_id} is a live tenant, and the private listener at {host}:{port} does not say whether it has events"
        f" of Stripe ({reason}). Give the exporter's --web.metrics-address; {_INSTEAD}; or give --yes, if made-up"
        " money may be counted for it"
    )
