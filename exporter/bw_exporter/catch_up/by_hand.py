"""Catch-up by hand: what `serve` does by itself, under the same lease, once or until it is told to stop."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

from bw_exporter.catch_up import accounts, lease, running
from bw_exporter.catch_up.accounts import Account, AccountTurns, Asked
from bw_exporter.catch_up.turn import Caught
from bw_exporter.config.current import ConfigState, CurrentConfig
from bw_exporter.config.tenants import Tenants
from bw_exporter.errors import BillingWatchError
from bw_exporter.store import Store, open_store
from bw_exporter.stripe_api import clients

_RENEW_SECONDS = 20


class LeaseHeldError(BillingWatchError):
    """Another process catches up for this store."""

    def __init__(self) -> None:
        super().__init__(
            "another process asks Stripe for this store, as `serve` does by itself where a tenant has an API key;"
            f" leave it to that one, or stop it and try again after {lease.LEASE_SECONDS} s"
        )


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for: `since_seconds` is how far back to ask, None for since it was last asked."""

    storage_url: str
    stripe_api_url: str | None
    webhook_url: str
    since_seconds: int | None


@dataclass(frozen=True, slots=True)
class Found:
    """What came of a tenant, in a sentence."""

    tenant: str
    said: str
    failed: bool


def chosen(tenants: Tenants, tenant: str | None) -> Tenants:
    """Return the tenants to ask for, all or one; raise BillingWatchError where there is none with a key."""
    if tenant and tenant not in tenants.by_id:
        known = ", ".join(sorted(tenants.by_id)[:10])
        raise BillingWatchError(f"no tenant is called {tenant!r} in {tenants.source}; it has {known}")
    found = tuple(one for one in tenants.all if one.api_key and tenant in (None, one.id))
    if not found:
        whose = tenant or "no tenant"
        has = "has no API key" if tenant else "has an API key"
        raise BillingWatchError(
            f"{tenants.source}: {whose} {has}; give one under api_key_file, as docs/stripe-api.md says"
        )
    return replace(tenants, all=found)


def run_once(tenants: Tenants, wanted: Wanted) -> list[Found]:
    """Ask each account once; return what came of each tenant.

    Raises LeaseHeldError, StoreUnusableError and StoreUnavailableError.
    """
    found = accounts.accounts(tenants.all)
    with _turns(tenants, wanted, threading.Event()) as (turns, store):
        asked = _asked(found, turns, store)
    return [
        Found(tenant.id, _said(one.caught.get(tenant.id), one.failed), tenant.id not in one.caught)
        for account, one in zip(found, asked, strict=True)
        for tenant in account.tenants
    ]


def run_on(tenants: Tenants, wanted: Wanted) -> None:
    """Ask each account in its time until SIGTERM or Ctrl-C, while no other process of the store does."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with _turns(tenants, wanted, stop) as (turns, store):
        now = turns.now()
        state = ConfigState(tenants, now, last_reload_successful=True, problems=(), attempted_monotonic=0)
        running.run(turns, CurrentConfig(state), store, lease.holder(), stop)


@contextmanager
def _turns(tenants: Tenants, wanted: Wanted, stop: threading.Event) -> Iterator[tuple[AccountTurns, Store]]:
    store = open_store(wanted.storage_url)
    try:
        now = int(time.time())
        store.register([tenant.id for tenant in tenants.all], now)
        turns = AccountTurns(
            store,
            clients.of_accounts(wanted.stripe_api_url, wait=stop.wait),
            time.time,
            webhook_url=wanted.webhook_url,
            stopped=stop.is_set,
            since_at=None if wanted.since_seconds is None else now - wanted.since_seconds,
        )
        yield turns, store
    finally:
        store.close()


def _asked(found: Sequence[Account], turns: AccountTurns, store: Store) -> list[Asked]:
    holder = lease.holder()

    def hold() -> None:
        if not store.write(partial(lease.hold, holder, turns.now())):
            raise LeaseHeldError

    hold()
    try:
        with ThreadPoolExecutor(running.THREADS, "catch-up") as pool:
            asked = [pool.submit(turns.ask, account) for account in found]
            while wait(asked, _RENEW_SECONDS).not_done:
                hold()
    finally:
        store.write(partial(lease.give_back, holder))
    return [one.result() for one in asked]


def _said(caught: Caught | None, failed: str) -> str:
    if caught is None:
        return f"failed: {failed}"
    if not caught.missed:
        return "nothing was missed"
    oldest = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(caught.oldest_missed_at))
    events = "event was" if caught.missed == 1 else "events were"
    return f"{caught.missed} {events} counted that no webhook had brought, the oldest of {oldest}"
