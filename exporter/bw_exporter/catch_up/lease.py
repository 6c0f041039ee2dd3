"""One of several processes at a time: a row of the store that says who it is, and until when.

It saves requests to Stripe and nothing else: two that ask at once count every event once all the same.
"""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass

from bw_exporter.store.protocol import FOREVER, Transaction
from bw_exporter.store.state_json import decoded, encoded

LEASE_SECONDS = 60
"""How long a process that ended without a word keeps the others waiting."""

_NO_TENANT, _KIND, _KEY = "", "lease", "catch_up"


@dataclass(frozen=True, slots=True)
class _Lease:
    holder: str = ""
    until_at: int = 0


def holder() -> str:
    """Return a name for this process that no other has."""
    return f"{socket.gethostname()}/{os.getpid()}/{time.time_ns()}"


def hold(holder: str, now: int, tx: Transaction) -> bool:
    """Take the lease, or keep it for longer; False where another has it."""
    lease = decoded(_Lease, tx.load(_NO_TENANT, _KIND, _KEY))
    if lease.holder != holder and lease.until_at > now:
        return False
    tx.save(_NO_TENANT, _KIND, _KEY, encoded(_Lease(holder, now + LEASE_SECONDS)), FOREVER)
    return True


def give_back(holder: str, tx: Transaction) -> None:
    """Let the next one have it at once."""
    if decoded(_Lease, tx.load(_NO_TENANT, _KIND, _KEY)).holder == holder:
        tx.save(_NO_TENANT, _KIND, _KEY, encoded(_Lease()), FOREVER)
