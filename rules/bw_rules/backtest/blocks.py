"""Writes blocks of Prometheus' storage with promtool: a past in OpenMetrics, and what rules would have recorded.

promtool cannot see what it records itself, so recordings that read recordings are made in a later pass. Like a
Prometheus, it evaluates a group at a second of the interval that follows from the names of file and group: these are
always the same here, so that the same past gives the same blocks.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bw_exporter.errors import BillingWatchError
from bw_rules.backtest.passes import LOOKBACK_SECONDS, Recording
from bw_rules.backtest.server import answering, tool
from bw_rules.render.yaml_text import dump
from bw_rules.verify import tools

_BLOCK_HOURS = tuple(2 * 3**power for power in range(7))
"""The ranges of blocks that promtool makes, each three times the one before."""

_FILE = "rules.yml"

_POINTS = 11_000
"""The most points of a series that Prometheus returns for one query; promtool makes one query for each block."""

_REACHES = (6 * 3600, 7 * 86400)
"""Reaches are rounded up to one of these, or to the whole past: each start is one more run of promtool, which costs."""

_PARTS = 2
"""What is alike is split into so many parts for each promtool at work, as some take much longer than others."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the past (Unix seconds, both ends included) that was scraped every `step` seconds."""

    start_at: int
    end_at: int
    step: int


def write_scraped(past: Path, data: Path) -> None:
    """Make blocks of a file in OpenMetrics; raises BillingWatchError."""
    data.mkdir(parents=True, exist_ok=True)
    # promtool reads the whole file once for each block.
    _promtool(f"--max-block-duration={_BLOCK_HOURS[-1]}h", "openmetrics", str(past), str(data))


def write_recorded(
    data: Path,
    passes: Sequence[Sequence[Recording]],
    stretches: Sequence[Stretch],
    judged_at: int,
    *,
    at_once: int = 2,
    tell: Callable[[str], None] = lambda _: None,
    first_from: str | None = None,
    lookback_seconds: int = LOOKBACK_SECONDS,
) -> None:
    """Add to `data` what the rules would have recorded; raises BillingWatchError.

    Each recording is made from its reach before `judged_at` on. `at_once` is how many promtools run side by side.
    The first pass reads `first_from`, the URL of a Prometheus that has the scraped series, instead of `data`.
    """
    for number, recordings in enumerate(passes, 1):
        with tempfile.TemporaryDirectory(prefix="bw-rules-", dir=data.parent) as folder:
            with _source(data, first_from if number == 1 else None, lookback_seconds) as url:
                jobs = list(_jobs(recordings, stretches, judged_at, at_once))
                with ThreadPoolExecutor(at_once) as pool:
                    work = [
                        pool.submit(_record, url, Path(folder) / str(place), some, stretch)
                        for place, (some, stretch) in enumerate(jobs)
                    ]
                    for each in work:
                        each.result()
            for block in sorted(Path(folder).glob("*/blocks/*")):
                shutil.move(block, data)
        tell(f"pass {number} of {len(passes)}: {len(recordings)} recordings")


@contextmanager
def _source(data: Path, url: str | None, lookback_seconds: int) -> Iterator[str]:
    if url is not None:
        yield url
        return
    with answering(data, lookback_seconds) as own:
        yield own


def _jobs(
    recordings: Iterable[Recording], stretches: Iterable[Stretch], judged_at: int, at_once: int
) -> Iterable[tuple[list[Recording], Stretch]]:
    """Give what one promtool each has to do: rules of the same start and step."""
    for stretch in stretches:
        alike: dict[tuple[int, int], list[Recording]] = {}
        for one in recordings:
            step = max(stretch.step, one.interval)
            reach = next((some for some in _REACHES if one.reach + 2 * step <= some), judged_at)
            start_at = max(stretch.start_at, judged_at - reach) // step * step
            if start_at <= stretch.end_at:
                alike.setdefault((start_at, step), []).append(one)
        for (start_at, step), some in alike.items():
            for part in range(_PARTS * at_once):
                if mine := some[part :: _PARTS * at_once]:
                    yield mine, Stretch(start_at, stretch.end_at, step)


def _record(url: str, folder: Path, recordings: list[Recording], stretch: Stretch) -> None:
    folder.mkdir()
    # An expression whose series has a name at one moment and none at another gives promtool two series, which it
    # cannot write as one; a sum has none at any moment.
    rules = [{**one.rule, "expr": f"({one.rule['expr']}\n) + 0"} for one in recordings]
    text = dump({"groups": [{"name": "past", "rules": rules}]}, "past")
    (folder / _FILE).write_text(text, encoding="utf-8")
    hours = max(hours for hours in _BLOCK_HOURS if hours * 3600 <= _POINTS * stretch.step)
    _promtool(
        f"--max-block-duration={hours}h",
        "rules",
        f"--url={url}",
        f"--start={stretch.start_at}",
        f"--end={stretch.end_at}",
        f"--eval-interval={stretch.step}s",
        f"--output-dir={folder / 'blocks'}",
        _FILE,
        folder=folder,
    )


def _promtool(*words: str, folder: Path | None = None) -> None:
    code, said = tools.run(tool("promtool"), "tsdb", "create-blocks-from", *words, folder=folder)
    if code or "err=" in said:  # a rule that fails is only logged
        raise BillingWatchError(f"promtool tsdb create-blocks-from {' '.join(words)} failed: {said}")
