"""Moving a store into another, empty one: all that is counted, remembered, asked and found, and proof of it."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from bw_exporter.errors import BillingWatchError, StoreUnusableError
from bw_exporter.store import open_reader, open_store, open_whole
from bw_exporter.store.tables import TABLES, Row, Table, WholeStore

_PROBED_WITHIN_SECONDS = 30
_WATCHED_SECONDS = 12.0
"""An exporter probes its store every 5 s: one that has not meanwhile is not there."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What became of a table: its rows, and the digest that both stores gave of them."""

    table: str
    rows: int
    digest: str

    def __str__(self) -> str:
        return f"{self.table:<9} {self.rows:>12,} rows  {self.digest}  equal"


def migrate(
    source_url: str,
    target_url: str,
    clock: Callable[[], float] = time.time,
    watched_seconds: float = _WATCHED_SECONDS,
) -> list[Moved]:
    """Move everything from one store into another in one transaction, and prove that both hold the same.

    Broken off at any moment it leaves the target empty. Raises BillingWatchError with the way out: where the
    source is in use or not there, where the target is not empty, where the two should differ in the end.
    """
    if source_url == target_url:
        raise BillingWatchError("the store to move and the one to move it to are the same")
    _refuse_older(source_url)
    _refuse_in_use(source_url, clock, watched_seconds)
    _refuse_filled_before_it_is_opened(target_url)
    open_store(target_url).close()  # which creates it
    with (
        contextlib.closing(open_whole(source_url)) as source,
        contextlib.closing(open_whole(target_url)) as target,
    ):
        try:
            _refuse_filled(target)
            target.take_key(source.payer_key())
            moved = [_moved(table, source, target) for table in TABLES]
            target.commit()
        except (*source.errors, *target.errors) as error:
            raise BillingWatchError(
                f"the move was broken off: {' '.join(str(error).split())}; the new store is as empty as it was,"
                " and the old one is untouched"
            ) from error
    _compare_exposition(source_url, target_url)
    return moved


def _refuse_older(url: str) -> None:
    """Refuse a store that is not there or that would have to be brought forward, which only its exporter does."""
    with contextlib.closing(open_reader(url)) as store:
        if store.schema_version != store.latest_schema:
            raise BillingWatchError(
                f"the store to move has schema {store.schema_version}, this version moves {store.latest_schema}: start"
                " `bw-exporter serve` of this version on it once, which brings it forward, and stop it again"
            )


def _refuse_in_use(url: str, clock: Callable[[], float], watched_seconds: float) -> None:
    """Refuse a store that an exporter probes, which would go on counting where nobody looks any more."""
    probed_at = _used_at(url)
    if probed_at < clock() - _PROBED_WITHIN_SECONDS:
        return
    until = time.monotonic() + watched_seconds
    while time.monotonic() < until:
        time.sleep(0.5)
        if _used_at(url) != probed_at:
            raise BillingWatchError(
                "an exporter is using the store that is to be moved: stop every one of them first; Stripe sends"
                " what comes meanwhile again"
            )


def _used_at(url: str) -> int:
    with contextlib.closing(open_whole(url)) as whole:
        return whole.used_at()


def _refuse_filled_before_it_is_opened(url: str) -> None:
    """Refuse a target that has something in it before it could be brought forward."""
    with contextlib.suppress(StoreUnusableError):  # there is none yet, or its opening will say what is wrong
        open_reader(url).close()
        with contextlib.closing(open_whole(url)) as target:
            _refuse_filled(target)


def _refuse_filled(target: WholeStore) -> None:
    for table in TABLES:
        if next(target.rows(table), None) is not None:
            raise BillingWatchError(
                f"the store to move to is not empty, it has {table.name}: give a new file, database or schema"
            )


def _moved(table: Table, source: WholeStore, target: WholeStore) -> Moved:
    given, found = _Digest(), _Digest()
    target.fill(table, given.of(source.rows(table)))
    for _ in found.of(target.rows(table)):
        pass
    if (given.rows, given.text) != (found.rows, found.text):
        raise BillingWatchError(
            f"{table.name} differ after the move ({given.rows} rows became {found.rows}); nothing was kept"
        )
    return Moved(table.name, given.rows, given.text)


class _Digest:
    """Counts and hashes rows that pass by."""

    def __init__(self) -> None:
        self.rows = 0
        self._hash = hashlib.blake2b(digest_size=16)

    @property
    def text(self) -> str:
        return self._hash.hexdigest()

    def of(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Hand the rows on; integers, texts and bytes have one representation in Python each."""
        for row in rows:
            self.rows += 1
            self._hash.update(repr(tuple(row)).encode())
            yield row


def _compare_exposition(source_url: str, target_url: str) -> None:
    """Render both as a scrape would."""
    rendered = []
    for url in (source_url, target_url):
        with contextlib.closing(open_reader(url)) as store:
            rendered.append(dict(store.families([])))
    if rendered[0] != rendered[1]:
        raise BillingWatchError("the two stores render differently, although their rows are equal; tell us")
