"""People's judgement of episodes: `confirmed` or `false`, from a file, an address, or Alertmanager's silences."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bw_exporter.config.problems import nearest
from bw_exporter.errors import BillingWatchError
from bw_rules.detectors import DETECTORS
from bw_rules.web import fetched

if TYPE_CHECKING:
    from bw_rules.backtest.trial import Episode

CONFIRMED, FALSE = "confirmed", "false"
_OTHERS = frozenset({"resolved"})
_NEAR_SECONDS = 3600
_SAYS_FALSE = "false:"


@dataclass(frozen=True, slots=True)
class Mark:
    """What somebody said of the episodes of a tenant's detector between two moments (Unix seconds)."""

    tenant: str
    detector: str
    begin_at: int
    end_at: int
    mark: str

    def of(self, episode: Episode) -> bool:
        """Tell whether an episode is meant: they overlap, or are less than an hour apart.

        A finding is marked at the moment it was found, and begin and end of an episode depend on the thresholds.
        """
        end_at = self.end_at + _NEAR_SECONDS if episode.end_at is None else episode.end_at
        return (
            (self.tenant, self.detector) == (episode.tenant, episode.detector)
            and self.begin_at - _NEAR_SECONDS <= end_at
            and episode.begin_at <= self.end_at + _NEAR_SECONDS
        )


def said(marks: Iterable[Mark], episode: Episode) -> str | None:
    """Return what was said of an episode, or None; `confirmed` outweighs `false`."""
    found = {one.mark for one in marks if one.of(episode)}
    return CONFIRMED if CONFIRMED in found else FALSE if found else None


def read(place: str) -> tuple[Mark, ...]:
    """Read marks from a JSON file or an address; raises BillingWatchError with what to write.

    They are a list, or stand in the `episodes` of what `bw-rules backtest --format json` wrote. Entries without a mark
    say nothing, nor do findings of a kind that no detector has.
    """
    if urllib.parse.urlsplit(place).scheme in ("http", "https"):
        document = fetched(place, "marks")
    else:
        try:
            document = json.loads(Path(place).read_text(encoding="utf-8"))
        except OSError as error:
            raise BillingWatchError(
                f"{place}: {error.strerror}; give a file or an address with marks"
            ) from error
        except ValueError as error:
            raise BillingWatchError(f"{place}: is no JSON ({error}); {_FORM}") from error
    rows = document.get("episodes") if isinstance(document, dict) else document
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise BillingWatchError(f"{place}: holds no list of marks; {_FORM}")
    return tuple(
        mark for number, row in enumerate(rows, 1) for mark in _mark(f"{place}: entry {number}", row)
    )


def silences(alertmanager: str) -> tuple[Mark, ...]:
    """Read the silences of an Alertmanager whose comment begins with `false:`; raises BillingWatchError.

    Other silences say only that nobody wants to hear of it now. One counts that names a tenant, and an alert or a
    detector, by equality.
    """
    rows = fetched(f"{alertmanager}/api/v2/silences", "silences")
    if not isinstance(rows, list):
        raise BillingWatchError(
            "what answers under --alertmanager is none; give the address under which /api/v2 is"
        )
    found = []
    for row in rows:
        if not str(row.get("comment", "")).strip().lower().startswith(_SAYS_FALSE):
            continue
        equal = {
            one["name"]: one["value"]
            for one in row["matchers"]
            if one.get("isEqual", True) and not one.get("isRegex", False)
        }
        begin_at, end_at = (
            int(datetime.fromisoformat(row[key]).timestamp()) for key in ("startsAt", "endsAt")
        )
        for name, detector in DETECTORS.items():
            if "tenant" in equal and (
                equal.get("alertname") == detector.alert or equal.get("detector") == name
            ):
                found.append(Mark(equal["tenant"], name, begin_at, end_at, FALSE))
    return tuple(found)


_FORM = (
    'write [{"tenant": "prod", "detector": "fraud_spike", "begin_at": 1700000000, "mark": "false"}], or add '
    '"mark" to episodes of bw-rules backtest --format json'
)


def _mark(where: str, row: Mapping[str, Any]) -> Iterator[Mark]:
    mark = row.get("mark")
    if mark is None or mark in _OTHERS:
        return
    if mark not in (CONFIRMED, FALSE):
        raise BillingWatchError(
            f"{where}: mark must be confirmed or false (in quotes), not {json.dumps(mark)}"
        )
    detector = row.get("detector")
    if detector is None and "kind" in row:
        if row["kind"] not in DETECTORS:
            return
        detector = row["kind"]
    if not isinstance(detector, str) or detector not in DETECTORS:
        ways = nearest(str(detector), DETECTORS, f"use {', '.join(DETECTORS)}")
        raise BillingWatchError(f"{where}: there is no detector {detector}; {ways}")
    begin_at = row.get("begin_at", row.get("found_at"))
    end_at = begin_at if row.get("end_at") is None else row["end_at"]
    if not isinstance(row.get("tenant"), str) or not _is_time(begin_at) or not _is_time(end_at):
        raise BillingWatchError(f"{where}: needs a tenant, and begin_at in Unix seconds; {_FORM}")
    yield Mark(row["tenant"], detector, int(begin_at), int(end_at), mark)


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
