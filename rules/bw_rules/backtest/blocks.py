"""Writes blocks of Prometheus' storage with promtool: a past in OpenMetrics, and what rules would have recorded.

promtool cannot see what it records itself, so recordings that read recordings are made in a later pass. It
evaluates a group at a second of the interval of its own choice, as a Prometheus does.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bw_exporter.errors import BillingWatchError
from bw_rules.backtest.passes import Recording
from bw_rules.backtest.server import answering, tool
from bw_rules.render.yaml_text import dump

_BLOCK_HOURS = tuple(2 * 3**power for power in range(7))
"""The ranges of blocks that promtool makes, each three times the one before."""

_POINTS = 11_000
"""The most points of a series that Prometheus returns for one query; promtool makes one query for each block."""


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
) -> None:
    """Add to `data` what the rules would have recorded; raises BillingWatchError.

    Each recording is made from its reach before `judged_at` on. `at_once` is how many promtools run side by side.
    """
    for number, recordings in enumerate(passes, 1):
        with tempfile.TemporaryDirectory(prefix="bw-rules-", dir=data.parent) as folder:
            with answering(data) as url:
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


def _jobs(
    recordings: Iterable[Recording], stretches: Iterable[Stretch], judged_at: int, at_once: int
) -> Iterable[tuple[list[Recording], Stretch]]:
    """Give what one promtool each has to do: rules of the same start and step."""
    for stretch in stretches:
        alike: dict[tuple[int, int], list[Recording]] = {}
        for one in recordings:
            step = max(stretch.step, one.interval)
            start_at = max(stretch.start_at, judged_at - one.reach - 2 * step) // step * step
            if start_at <= stretch.end_at:
                alike.setdefault((start_at, step), []).append(one)
        for (start_at, step), some in alike.items():
            for part in range(at_once):
                if mine := some[part::at_once]:
                    yield mine, Stretch(start_at, stretch.end_at, step)


def _record(url: str, folder: Path, recordings: list[Recording], stretch: Stretch) -> None:
    folder.mkdir()
    file = folder / "rules.yml"
    rules = [dict(one.rule) for one in recordings]
    file.write_text(dump({"groups": [{"name": "past", "rules": rules}]}, "past"), encoding="utf-8")
    hours = max(hours for hours in _BLOCK_HOURS if hours * 3600 <= _POINTS * stretch.step)
    _promtool(
        f"--max-block-duration={hours}h",
        "rules",
        f"--url={url}",
        f"--start={stretch.start_at}",
        f"--end={stretch.end_at}",
        f"--eval-interval={stretch.step}s",
        f"--output-dir={folder / 'blocks'}",
        str(file),
    )


def _promtool(*words: str) -> None:
    done = subprocess.run(  # noqa: S603 - the promtool the user has, on files of ours
        [tool("promtool"), "tsdb", "create-blocks-from", *words], check=False, capture_output=True, text=True
    )
    said = done.stderr + done.stdout
    if done.returncode or "err=" in said:  # a rule that fails is only logged
        raise BillingWatchError(f"promtool tsdb create-blocks-from {' '.join(words)} failed: {said}")
