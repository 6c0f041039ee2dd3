"""`bw-exporter history`: the past of real accounts, read from Stripe, as a file and as a store to go on from."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bw_exporter.catch_up import standing, turn
from bw_exporter.catch_up.accounts import Account, accounts
from bw_exporter.config import durations
from bw_exporter.config.tenants import Tenants
from bw_exporter.errors import BillingWatchError
from bw_exporter.past import file, scrape
from bw_exporter.past.file import Target
from bw_exporter.past.journal import Journal, Plan
from bw_exporter.past.listed import Counted, arrivals, wanting
from bw_exporter.past.progress import Progress
from bw_exporter.past.steps import Arrival, Scrapes, Steps, live_through
from bw_exporter.store import Store, Transaction, open_store
from bw_exporter.store.protocol import FOREVER
from bw_exporter.stripe_api.errors import StripeApiError
from bw_exporter.stripe_api.events import KEPT_SECONDS, VISIBLE_AFTER_SECONDS
from bw_exporter.stripe_api.lists import Client

_DAY = 86_400
_PROMETHEUS_KEEPS_SECONDS = 15 * _DAY
"""--storage.tsdb.retention.time of Prometheus, unless it is told otherwise."""

_NO_TENANT, _KIND, _KEY = "", "history", "step"


class InterruptedHistoryError(BillingWatchError):
    """A history ended before its end; it can be gone on with."""

    def __init__(self, reason: str) -> None:
        """`reason` is a sentence without a full stop."""
        super().__init__(f"{reason}; what was read is kept: run the same command again to go on")


@dataclass(frozen=True, slots=True)
class Wanted:
    """The past that is asked for: so many seconds until now, scraped every `step_seconds`."""

    seconds: int
    output: Path
    storage_url: str
    step_seconds: int
    target: Target
    webhook_url: str = ""


def write(
    wanted: Wanted,
    tenants: Tenants,
    client: Callable[[str], Client],
    *,
    stopped: Callable[[], bool],
    show: Callable[[str], None],
    clock: Callable[[], float] = time.time,
) -> str:
    """Read, count and write the past of the tenants, or go on with it; return what to say of it.

    `client` makes what reads the account of a key; `stopped` says that it is to end soon; `show` prints the progress.
    Raises InterruptedHistoryError, and BillingWatchError where it cannot be written or its store is in use.
    """
    if not wanted.output.parent.is_dir():
        raise BillingWatchError(
            f"{wanted.output} cannot be written: there is no folder {wanted.output.parent}; make it first"
        )
    journal = Journal(wanted.output.with_name(f"{wanted.output.name}.part"))
    begun = journal.plan()
    store = open_store(wanted.storage_url)
    try:
        plan = _planned(wanted, tenants, store, begun, clock)
        if begun is None:
            journal.begin(plan)
        store.register(plan.tenants, plan.steps.moments[0])
        scrapes = Scrapes()
        reading = _Reading(wanted, tenants, client)
        with scrape.findings_not_logged():
            progress = Progress(plan.steps, show, clock)
            _live(plan, tenants, store, scrapes, journal, reading, stopped, progress, int(clock()))
            for tenant_id in plan.tenants:
                store.write(partial(turn.mark, tenant_id, plan.steps.end_at))
            text = scrape.last(store, tenants, plan.steps)
    finally:
        store.close()
    try:
        with wanted.output.open("wb") as out:
            written = file.write(out, text, scrapes.runs, plan.steps.moments, wanted.target)
            size = out.tell()
    except OSError as error:
        raise BillingWatchError(f"{wanted.output} cannot be written: {error.strerror}") from error
    journal.end()
    return _summary(wanted, plan, written, size)


class _Reading:
    """The accounts, each with a client that counts its requests."""

    def __init__(self, wanted: Wanted, tenants: Tenants, client: Callable[[str], Client]) -> None:
        found: list[Account] = accounts(tenants.all)
        self._clients = [(account, Counted(client(account.key))) for account in found]
        self._webhook_url = wanted.webhook_url
        self.events = 0

    @property
    def requests(self) -> int:
        """How many were made."""
        return sum(client.requests for _, client in self._clients)

    def take_in_past(self, store: Store, at: int, now: int, stopped: Callable[[], bool]) -> None:
        """Take in what stood when the past began. Raises StripeApiError and StoreUnavailableError."""
        for account, client in self._clients:
            tenants = wanting(account, client, self._webhook_url)
            standing.take_in_past(tenants, client, store, at, now, stopped)

    def arrivals(self, since_at: int, until_at: int) -> Iterator[Arrival]:
        """Give the events, counting them."""
        for arrival in arrivals(self._clients, since_at, until_at, self._webhook_url):
            self.events += 1
            yield arrival


def _planned(
    wanted: Wanted, tenants: Tenants, store: Store, begun: Plan | None, clock: Callable[[], float]
) -> Plan:
    """Return the plan of a past that was begun, or of a new one."""
    ids = tuple(tenant.id for tenant in tenants.all)
    if begun is not None:
        same = (begun.tenants, begun.storage_url, begun.steps.step_seconds) == (
            ids,
            wanted.storage_url,
            wanted.step_seconds,
        )
        if not same:
            raise BillingWatchError(
                f"{wanted.output} was begun with other tenants, another store or another step: give the same again,"
                f" or delete {wanted.output}.part and the store and begin anew"
            )
        return begun
    if known := [one for one in ids if store.samples(one)]:
        raise BillingWatchError(
            f"the store already knows {', '.join(known[:10])}: a past can only be given to a new store; name another"
        )
    end_at = int(clock()) - VISIBLE_AFTER_SECONDS
    steps = Steps(end_at - min(wanted.seconds, KEPT_SECONDS - _DAY // 24), end_at, wanted.step_seconds)
    return Plan(steps, ids, wanted.storage_url)


def _live(
    plan: Plan,
    tenants: Tenants,
    store: Store,
    scrapes: Scrapes,
    journal: Journal,
    reading: _Reading,
    stopped: Callable[[], bool],
    progress: Progress,
    now: int,
) -> None:
    """Live from the last step that is in the store to the end; the journal has each step's changes before the next."""
    first = max(journal.replay(scrapes), store.write(_last_step))
    since_at = plan.steps.moments[first] + 1
    steps = live_through(
        tenants.all,
        store,
        plan.steps,
        reading.arrivals(since_at, plan.steps.end_at),
        first=first,
        with_step=_note_step,
    )
    try:
        if first == 0:
            reading.take_in_past(store, plan.steps.moments[0], now, stopped)
        for number, lines in steps:
            journal.note(number, scrapes.note(number, lines))
            progress.at(number, reading.events, reading.requests)
            if stopped():
                raise InterruptedHistoryError("stopped")
    except StripeApiError as error:
        raise InterruptedHistoryError(str(error)) from error
    finally:
        progress.end(reading.events, reading.requests)


def _last_step(tx: Transaction) -> int:
    return int(tx.load(_NO_TENANT, _KIND, _KEY) or b"0")


def _note_step(number: int, tx: Transaction) -> None:
    tx.save(_NO_TENANT, _KIND, _KEY, b"%d" % number, FOREVER)


def _summary(wanted: Wanted, plan: Plan, written: int, size: int) -> str:
    seconds = plan.steps.end_at - plan.steps.moments[0]
    begin, end = (
        time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at))
        for at in (plan.steps.moments[0], plan.steps.end_at)
    )
    lines = [
        f"{wanted.output}: {begin} to {end}, {len(plan.steps.moments)} steps of"
        f" {durations.render(plan.steps.step_seconds)}, {written} samples, {size / 1e6:.0f} MB",
        f"{wanted.storage_url}: the counts until then; start `serve` on it, and catch-up goes on from there",
    ]
    if seconds > _PROMETHEUS_KEEPS_SECONDS:
        days = (seconds - _PROMETHEUS_KEEPS_SECONDS) / _DAY
        needed = -(-seconds // _DAY) + 1
        lines.append(
            f"Prometheus keeps 15d unless told otherwise and would delete the first {days:.0f} days of this again:"
            f" start it with --storage.tsdb.retention.time={needed}d or more"
        )
    return "\n".join(lines)


__all__: Sequence[str] = ("InterruptedHistoryError", "Wanted", "write")
