"""Asks each account in its time, several at once and each by one request at a time, and waits longer after failures."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from bw_exporter import probed
from bw_exporter.catch_up import endpoint, standing
from bw_exporter.catch_up.probe_of_tenant import probed_by
from bw_exporter.catch_up.turn import Caught, Wanting, catch_up, expected_types
from bw_exporter.config.tenants import Tenant, Tenants
from bw_exporter.errors import StoreUnavailableError
from bw_exporter.metrics import catalog
from bw_exporter.metrics.series import Add
from bw_exporter.store.protocol import Store, Transaction
from bw_exporter.stripe_api.endpoints import Endpoint, endpoints
from bw_exporter.stripe_api.errors import Reason, StripeApiError
from bw_exporter.stripe_api.lists import Client
from bw_exporter.stripe_api.once import Once

LONGEST_WAIT_SECONDS = 1800
"""The most that a failing account waits: a key that was made anew is noticed within half an hour, or at a reload."""

ENDPOINTS_EVERY_SECONDS = 600
"""How old the list of an account's webhook endpoints may be; it changes seldom, and costs a request."""

STANDING_EVERY_SECONDS = 86_400
"""How often it is looked whether what stood before is still to be taken in, as where the key could not read it."""

PROBE_EVERY_SECONDS, PROBE_AGAIN_SECONDS, PROBES_APART_SECONDS = 86_400, 3600, 2.0
"""How often it is looked what a key may do, and sooner while it does not work; accounts begin so far apart with it.

It takes ten requests.
"""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Account:
    """The tenants that share an API key: they share its requests too."""

    key: str = field(repr=False)
    tenants: tuple[Tenant, ...]

    @property
    def every_seconds(self) -> int:
        """How often it is asked: as often as the tenant wants that wants it most."""
        return min(tenant.catch_up.every_seconds for tenant in self.tenants)


def accounts(tenants: Iterable[Tenant]) -> list[Account]:
    """Return the accounts of tenants that have a key."""
    by_key: dict[str, list[Tenant]] = {}
    for tenant in tenants:
        if tenant.api_key:
            by_key.setdefault(tenant.api_key, []).append(tenant)
    return [Account(key, tuple(found)) for key, found in by_key.items()]


def wanting(tenants: Tenants) -> list[Account]:
    """Return the accounts of tenants that want catch-up."""
    return accounts(tenant for tenant in tenants.all if tenant.asked_every_seconds)


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of asking an account: what was caught up, by tenant, and why it failed, if it did."""

    caught: Mapping[str, Caught]
    failed: str = ""


@dataclass(slots=True)
class _Plan:
    """When an account is asked next, how often in turn it has failed, and its endpoints as they were last read."""

    due_at: float = 0.0
    failures: int = 0
    asking: bool = False
    endpoints: list[Endpoint] | None = None
    endpoints_at: float = 0.0
    standing_at: float = 0.0
    probe_at: float = float("inf")


class AccountTurns:
    """Whose turn it is. `client` makes what reads the account of a key; `clock` is in Unix seconds."""

    def __init__(
        self,
        store: Store,
        client: Callable[[str], Client],
        clock: Callable[[], float],
        *,
        webhook_url: str = "",
        stopped: Callable[[], bool] = lambda: False,
        since_at: int | None = None,
    ) -> None:
        """An account that is being asked is let go of soon after `stopped` becomes true.

        With `since_at` it is asked for what was made from then on, as far as that has been asked for before.
        """
        self._store, self._client, self._clock, self._webhook_url = store, client, clock, webhook_url
        self._stopped, self._since_at = stopped, since_at
        self._clients: dict[str, Client] = {}
        self._plans: dict[str, _Plan] = {}

    def due(self, tenants: Tenants) -> list[Account]:
        """Return the accounts whose turn it is and that are not being asked."""
        now = self._clock()
        found = wanting(tenants)
        for gone in self._plans.keys() - {account.key for account in found}:
            del self._plans[gone]
            self._clients.pop(gone, None)
        for account in found:
            if account.key not in self._plans:
                self._plans[account.key] = _Plan(probe_at=now + PROBES_APART_SECONDS * len(self._plans))
        plans = [(account, self._plans[account.key]) for account in found]
        return [account for account, plan in plans if plan.due_at <= now and not plan.asking]

    def now(self) -> int:
        """Return the time in Unix seconds."""
        return int(self._clock())

    def begin(self, account: Account) -> None:
        """Take an account out of `due` until it has been asked."""
        self._plans[account.key].asking = True

    def ask(self, account: Account) -> Asked:
        """Ask an account once, for each of its tenants; what fails is counted, logged once, and tried again later."""
        plan = self._plans.get(account.key, _Plan())
        caught: dict[str, Caught] = {}
        failed, wanted_now = "", self._clock() if plan.probe_at < float("inf") else plan.probe_at
        try:
            caught.update(self._ask(account, plan))  # as far as it comes
        except StripeApiError as error:
            failed = str(error)
            plan.failures += 1
            wait = max(_back_off(account, plan), error.retry_after_seconds or 0)
            if plan.failures == 1:
                plan.probe_at = (
                    wanted_now if error.reason in ("authentication", "permission") else plan.probe_at
                )
                extra = {"tenants": _names(account), "reason": error.reason, "said": str(error)}
                _log.warning("Stripe cannot be asked for events that no webhook brought", extra=extra)
            self._count(account, error.reason)
        except StoreUnavailableError as error:
            failed, wait = str(error), account.every_seconds
            _log.warning("catch-up waits for the store", extra={"reason": str(error)})
        except Exception:  # noqa: BLE001 - counted and logged, and the others are asked
            plan.failures += 1
            failed, wait = "a fault of ours; see the log", _back_off(account, plan)
            _log.exception("catch-up failed; it tries again", extra={"tenants": _names(account)})
            self._count(account, "other")
        else:
            if plan.failures:
                plan.probe_at = wanted_now
                _log.info("Stripe answers again", extra={"tenants": _names(account)})
            plan.failures, wait = 0, account.every_seconds
        self._probe(account, plan)
        plan.due_at, plan.asking = self._clock() + wait, False
        return Asked(caught, failed)

    def _ask(self, account: Account, plan: _Plan) -> Iterator[tuple[str, Caught]]:
        if account.key not in self._clients:
            self._clients[account.key] = self._client(account.key)
        client = self._clients[account.key]
        if plan.endpoints_at <= self._clock() - ENDPOINTS_EVERY_SECONDS:
            plan.endpoints, plan.endpoints_at = _endpoints(client), self._clock()
        listed = plan.endpoints

        def types(tenant: Tenant) -> frozenset[str]:
            if listed is None:
                return expected_types(())
            return expected_types(endpoint.note(tenant, listed, self._store, self._webhook_url))

        wanting = [Wanting(tenant, types(tenant)) for tenant in account.tenants]
        turn = catch_up(
            wanting, client, self._store, self.now(), since_at=self._since_at, stopped=self._stopped
        )
        for tenant_id, caught in turn:
            yield tenant_id, caught
            if caught.missed:
                extra = {"tenant": tenant_id, "events": caught.missed, "oldest_at": caught.oldest_missed_at}
                _log.warning("events that no webhook had brought were counted", extra=extra)
        if plan.standing_at <= self._clock() - STANDING_EVERY_SECONDS and not self._stopped():
            known_at = self.now() - max(each.catch_up.after_seconds for each in account.tenants)
            standing.take_in(wanting, client, self._store, known_at, self.now(), self._stopped)
            plan.standing_at = self._clock()

    def _probe(self, account: Account, plan: _Plan) -> None:
        """Look what the key may do, for the pages, if it is time to; what fails is tried again later."""
        if plan.probe_at > self._clock() or self._stopped():
            return
        client, again = Once(self._clients[account.key]), PROBE_EVERY_SECONDS
        try:
            for tenant in account.tenants:
                checks = probed_by(client, tenant, self._webhook_url)
                probed.keep(self._store, tenant.id, checks, self.now())
                again = PROBE_AGAIN_SECONDS if checks[0].todo else again
        except StoreUnavailableError as error:
            _log.warning("what a probe found is not kept", extra={"reason": str(error)})
        except Exception:  # noqa: BLE001 - catch-up goes on without it
            _log.exception("a probe failed", extra={"tenants": _names(account)})
        plan.probe_at = self._clock() + again

    def _count(self, account: Account, reason: Reason) -> None:
        try:
            for tenant in account.tenants:
                self._store.write(partial(_failed, tenant.id, reason))
        except StoreUnavailableError as error:
            _log.warning("a failure of catch-up is not counted", extra={"reason": str(error)})


def _endpoints(client: Client) -> list[Endpoint] | None:
    """Return the account's endpoints, None where the key may not read them."""
    try:
        return endpoints(client)
    except StripeApiError as error:
        if error.reason != "permission":
            raise
        return None


def _failed(tenant: str, reason: Reason, tx: Transaction) -> None:
    tx.change(tenant, (Add(catalog.CATCH_UP_ERRORS, (reason,)),))


def _back_off(account: Account, plan: _Plan) -> int:
    doubled = account.every_seconds << min(plan.failures, 10)
    return min(doubled, LONGEST_WAIT_SECONDS)


def _names(account: Account) -> str:
    return ", ".join(tenant.id for tenant in account.tenants[:10])
