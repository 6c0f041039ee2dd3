"""What happens without traffic: deferred checks, the store's probe, pruning. One thread of the private process.

Every step is a transaction of its own under the store's lock, and a check is dropped in the transaction that
resolves it, so two housekeepers on one store do no harm.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bw_exporter.checks import CHECKS
from bw_exporter.effects import forgotten
from bw_exporter.errors import StoreUnavailableError
from bw_exporter.metrics import catalog
from bw_exporter.metrics.series import Add, RaiseTo
from bw_exporter.store.retention import MARKS_PER_TENANT

if TYPE_CHECKING:
    from bw_exporter.store import DeferredCheck, Finding, Store, Transaction

RESOLVE_EVERY_SECONDS = 1.0
PROBE_EVERY_SECONDS = 5.0
PRUNE_EVERY_SECONDS = 60.0
EVICT_EVERY_SECONDS = 600.0

PUT_OFF_SECONDS = 3600
"""How long a check is deferred that raised an error; it must not hold up the others."""

_RESOLVED_PER_COMMIT = 64
_PRUNED_AT_ONCE = 500
_MARKS_AT_ONCE = 20_000

_log = logging.getLogger(__name__)


@dataclass
class StoreHealth:
    """What the last probe of the store said; written by housekeeping, read by scrapes."""

    schema_version: int
    up: bool = False
    probe_seconds: float = 0.0
    size_bytes: int = 0


def run(store: Store, health: StoreHealth, clock: Callable[[], float], stop: threading.Event) -> None:
    """Keep house until `stop` is set; a store that is away is tried again at the next turn."""
    steps = {
        resolve_due: RESOLVE_EVERY_SECONDS,
        prune: PRUNE_EVERY_SECONDS,
        evict: EVICT_EVERY_SECONDS,
    }
    due = dict.fromkeys(steps, 0.0)
    probe_due, elapsed, was_up = 0.0, 0.0, True
    while not stop.is_set():
        now = int(clock())
        if probe_due <= elapsed:
            probe_due = elapsed + PROBE_EVERY_SECONDS
            probe(store, health, now)
        for step, every in steps.items():
            if due[step] <= elapsed:
                due[step] = elapsed + every
                was_up = _tried(step, store, now, was_up=was_up)
        stop.wait(RESOLVE_EVERY_SECONDS)
        elapsed += RESOLVE_EVERY_SECONDS


def resolve_due(store: Store, now: int) -> None:
    """Resolve every deferred check that is due, many in a commit; one that raises an error is put off alone."""
    resolved = _RESOLVED_PER_COMMIT
    while resolved == _RESOLVED_PER_COMMIT:
        try:
            resolved, findings = store.write(lambda tx: _resolved(tx.due(now, _RESOLVED_PER_COMMIT), tx, now))
        except StoreUnavailableError:
            raise
        except Exception:  # noqa: BLE001 - which of them it was is found out one by one
            due = store.write(lambda tx: tx.due(now, _RESOLVED_PER_COMMIT))
            resolved = len(due)
            findings = [finding for deferred in due for finding in _resolved_alone(deferred, store, now)]
        for finding in findings:
            _log.warning("found", extra={"kind": finding.kind, "tenant": finding.tenant, **finding.details})


def prune(store: Store, now: int) -> None:
    """Forget what retention.py says is old, in steps short enough for ingest to pass between."""
    while store.prune(now, _PRUNED_AT_ONCE, forgotten) >= _PRUNED_AT_ONCE:
        pass
    store.prune_marks(now, _MARKS_AT_ONCE)


def evict(store: Store, _now: int) -> None:
    """Bound what is remembered of payers."""
    store.evict(MARKS_PER_TENANT, lambda charges: (Add(catalog.DUPLICATE_SKIPPED, ("evicted",), charges),))


def probe(store: Store, health: StoreHealth, now: int) -> None:
    """Commit a row and note what came of it; whatever goes wrong, the store is not up."""
    try:
        health.probe_seconds = store.probe(now)
        health.size_bytes = store.size_bytes()
        health.up = True
    except StoreUnavailableError:
        health.up = False
    except Exception:  # noqa: BLE001 - the next probe must come
        health.up = False
        _log.exception("the store cannot be probed; it is tried again")


def _tried(step: Callable[[Store, int], None], store: Store, now: int, *, was_up: bool) -> bool:
    try:
        step(store, now)
    except StoreUnavailableError as error:
        if was_up:
            _log.error("housekeeping waits for the store: %s", error)
        return False
    except Exception:  # noqa: BLE001 - the next turn must come
        _log.exception("housekeeping failed at %s; it tries again", step.__name__)
    return True


def _resolved(due: Sequence[DeferredCheck], tx: Transaction, now: int) -> tuple[int, list[Finding]]:
    findings: list[Finding] = []
    for deferred in due:
        if not tx.drop(deferred):
            continue
        check = CHECKS.get(deferred.check)
        if check is not None and (finding := check.resolve(deferred, tx, now)) is not None:
            tx.report(finding)
            found = (Add(catalog.FINDINGS, (finding.kind,)), RaiseTo(catalog.LAST_FINDING, now))
            tx.change(finding.tenant, found)
            findings.append(finding)
    return len(due), findings


def _resolved_alone(deferred: DeferredCheck, store: Store, now: int) -> list[Finding]:
    try:
        return store.write(lambda tx: _resolved([deferred], tx, now))[1]
    except StoreUnavailableError:
        raise
    except Exception:  # noqa: BLE001 - told, put off, and the others go on
        again = replace(deferred, due_at=now + PUT_OFF_SECONDS)
        extra = {"check": deferred.check, "key": deferred.key, "tenant": deferred.tenant}
        _log.exception("a check failed; it is asked again in an hour", extra=extra)
        store.write(lambda tx: tx.defer(again) if tx.drop(deferred) else None)
        return []
