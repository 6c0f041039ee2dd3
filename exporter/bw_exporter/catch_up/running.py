"""Asking on and on, several accounts at once, while no other process of the same store does."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from bw_exporter.catch_up import lease
from bw_exporter.catch_up.accounts import AccountTurns
from bw_exporter.config.current import CurrentConfig
from bw_exporter.errors import StoreUnavailableError
from bw_exporter.store.protocol import Store

THREADS = 16
"""Accounts asked at once: with 0.3 s for an answer so many make use of 50 requests a second."""

_LOOK_SECONDS = 1.0
_RENEW_SECONDS, _TRY_SECONDS = 20, 5

_log = logging.getLogger(__name__)


def run(turns: AccountTurns, config: CurrentConfig, store: Store, holder: str, stop: threading.Event) -> None:
    """Ask every account in its time until `stop` is set, while no other process of the same store does."""
    held, renew_in = False, 0.0
    pool = ThreadPoolExecutor(THREADS, "catch-up")
    while not stop.is_set():
        renew_in -= _LOOK_SECONDS
        if renew_in <= 0:
            held = _held(store, holder, turns)
            renew_in = _RENEW_SECONDS if held else _TRY_SECONDS
        for account in turns.due(config.state.tenants) if held else ():
            turns.begin(account)
            pool.submit(turns.ask, account)
        stop.wait(_LOOK_SECONDS)
    pool.shutdown(cancel_futures=True)
    try:
        store.write(partial(lease.give_back, holder))
    except StoreUnavailableError as error:
        _log.warning("the lease of catch-up ends by itself", extra={"reason": str(error)})


def _held(store: Store, holder: str, turns: AccountTurns) -> bool:
    try:
        return store.write(partial(lease.hold, holder, turns.now()))
    except StoreUnavailableError:
        return False
