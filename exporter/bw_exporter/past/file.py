"""A past as OpenMetrics text with timestamps, which `promtool tsdb create-blocks-from openmetrics` reads.

Each family is whole before the next begins and each series goes forward in time, as OpenMetrics wants it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from bw_exporter.metrics import catalog

_OF_THE_PROCESS = (catalog.STORE_SIZE.name, catalog.STORE_PROBE_SECONDS.name)
"""Facts of a machine, which a past does not have."""

_UP = """\
# HELP up Whether the exporter could be scraped.
# TYPE up gauge
up 1
# EOF
"""

Runs = Sequence[tuple[int, int]]
"""(number of the step, value from then on), oldest first."""


@dataclass(frozen=True, slots=True)
class Target:
    """The labels that Prometheus puts on what it scrapes."""

    job: str
    instance: str


def write(
    out: BinaryIO,
    last_scrape: str,
    runs: Callable[[str], Runs | None],
    moments: Sequence[int],
    target: Target,
) -> int:
    """Write the past of the exposition `last_scrape` (OpenMetrics), and of `up`; return the number of samples.

    `runs` gives those of a line up to the value; one of `last_scrape` that has none stood still. `moments` are the
    Unix seconds of the steps.
    """
    stamps = [b" %d\n" % at for at in moments]
    written = 0
    histogram = False
    together: list[list[tuple[int, int, bytes]]] = []
    for text in (last_scrape.removesuffix("# EOF\n") + _UP).splitlines():
        if text.startswith("#"):
            histogram = text.endswith(" histogram") and text.startswith("# TYPE ")
            out.write(text.encode() + b"\n")
            continue
        line, _, value = text.rpartition(" ")
        if line.partition("{")[0] in _OF_THE_PROCESS:
            continue
        head = _labelled(line, target).encode()
        spans = list(_spans(runs(f"{line} ") or [(0, value)], head, len(stamps)))
        written += sum(end - start for start, end, _ in spans)
        if not histogram:
            out.writelines(sample.join([b"", *stamps[start:end]]) for start, end, sample in spans)
            continue
        together.append(spans)
        if line.partition("{")[0].endswith("_count"):
            out.writelines(_by_step(together, stamps))
            together = []
    return written


def _labelled(line: str, target: Target) -> str:
    name, _, labels = line.partition("{")
    own = f'job="{target.job}",instance="{target.instance}"'
    return f"{name}{{{own},{labels}" if labels else f"{name}{{{own}}}"


def _spans(runs: Sequence[tuple[int, object]], head: bytes, steps: int) -> Iterator[tuple[int, int, bytes]]:
    """Give (first step, step after the last, sample without its time) for each value of a series."""
    ends = [start for start, _ in runs[1:]] + [steps]
    for (start, value), end in zip(runs, ends, strict=True):
        yield start, end, head + f" {value}".encode()


def _by_step(together: list[list[tuple[int, int, bytes]]], stamps: list[bytes]) -> Iterator[bytes]:
    """Give the lines of one histogram step by step: OpenMetrics keeps the samples of a moment together."""
    columns = [[sample for start, end, sample in spans for _ in range(start, end)] for spans in together]
    first = len(stamps) - len(columns[0])
    for stamp, *samples in zip(stamps[first:], *columns, strict=True):
        yield b"".join(sample + stamp for sample in samples)
