"""Living through a past: events are counted as if they arrived then, and each step notes what a scrape would show."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar, cast

from bw_exporter import housekeeping, ingest
from bw_exporter.config.tenants import Tenant
from bw_exporter.metrics.catalog import STORE_COMMITS
from bw_exporter.metrics.series import series
from bw_exporter.store import Store, Transaction

T = TypeVar("T")

_COMMITS = series(STORE_COMMITS, "").line


@dataclass(frozen=True, slots=True)
class Steps:
    """The moments of the scrapes (Unix seconds): one each `step_seconds`, the last at `end_at`."""

    start_at: int
    end_at: int
    step_seconds: int

    @property
    def moments(self) -> range:
        """All of them, oldest first."""
        first = self.end_at - (self.end_at - self.start_at) // self.step_seconds * self.step_seconds
        return range(first, self.end_at + 1, self.step_seconds)


@dataclass(frozen=True, slots=True)
class Arrival:
    """The body of an event as it reaches the exporter."""

    at: int
    tenant: Tenant
    body: bytes


@dataclass(slots=True)
class Scrapes:
    """What each scrape would have shown: by the line up to the value, numbers of steps and the values from then on.

    They are kept as pairs of integers in arrays: a month has a million of them.
    """

    _by_line: dict[str, array[int]] = field(default_factory=dict)
    _latest: dict[str, int] = field(default_factory=dict)

    def note(self, step: int, samples: dict[str, int]) -> dict[str, int]:
        """Keep the lines of one scrape whose value has changed; return those."""
        changed = dict(samples.items() - self._latest.items())
        for line, value in changed.items():
            self._by_line.setdefault(line, array("q")).extend((step, value))
        self._latest.update(changed)
        return changed

    def runs(self, line: str) -> list[tuple[int, int]] | None:
        """Return (number of the step, value from then on) of a line, oldest first; None where nothing was noted."""
        pairs = self._by_line.get(line)
        return None if pairs is None else list(zip(pairs[::2], pairs[1::2], strict=True))


def live_through(
    tenants: Sequence[Tenant],
    store: Store,
    steps: Steps,
    arriving: Iterator[Arrival],
    *,
    first: int = 0,
    with_step: Callable[[int, Transaction], None] = lambda _step, _tx: None,
) -> Iterator[tuple[int, dict[str, int]]]:
    """Count what arrives, in the order of its time; give each step and what its scrape shows, if that may differ.

    The steps before `first` are over: nothing of them may arrive. `with_step` joins the transaction that counts what
    arrived in a step. Raises StoreUnavailableError, and what `arriving` raises, between two steps.
    """
    moments = steps.moments
    ahead = next(arriving, None)
    commits = -1
    for number in range(first, len(moments)):
        arrived = []
        while ahead is not None and ahead.at <= moments[number]:
            arrived.append(ahead)
            ahead = next(arriving, None)
        if arrived:
            store.write(lambda tx, number=number, arrived=arrived: _step(tx, number, arrived, with_step))  # type: ignore[misc]
        housekeeping.resolve_due(store, moments[number])
        shared = store.samples("")
        if shared.get(_COMMITS) != commits:
            commits = shared.get(_COMMITS, 0)
            lines = dict(shared)
            for tenant in tenants:
                lines.update(store.samples(tenant.id))
            yield number, lines
        else:
            yield number, {}


class _Inside:
    """A store within a transaction: what is written joins it."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    def write(self, work: Callable[[Transaction], T]) -> T:
        return work(self._tx)


def _step(
    tx: Transaction,
    number: int,
    arrived: Iterable[Arrival],
    with_step: Callable[[int, Transaction], None],
) -> None:
    inside = cast("Store", _Inside(tx))
    for each in arrived:
        ingest.receive(each.body, each.tenant, inside, each.at)
    with_step(number, tx)
