"""Gives a new Prometheus a past: `python scripts/demo/backfill.py PAST.om RULES.yml DATA_FOLDER`.

The scraped series come from OpenMetrics text (`bw-exporter simulate --history`), what the rules would have
recorded from promtool. promtool cannot see what it records itself, so rules that read recordings are
recorded in a later pass; a Prometheus without scrapes or rules of its own answers its questions.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from processes import answers, free_port, stop, tool

ONE_BLOCK = "--max-block-duration=480h"
"""promtool reads its whole input once for each block and makes blocks of 2h unless told otherwise."""

READY_SECONDS = 60


def main(arguments: list[str]) -> int:
    """Fill the folder and tell how long it took."""
    if len(arguments) != 3:  # noqa: PLR2004
        print(__doc__, file=sys.stderr)
        return 2
    began = time.monotonic()
    backfill(*map(Path, arguments))
    print(f"{arguments[2]} has its past after {time.monotonic() - began:.0f} s")
    return 0


def backfill(past: Path, rules: Path, data: Path) -> None:
    """Make the blocks of a past and of the rules' recordings over it; raises RuntimeError."""
    data.mkdir(parents=True, exist_ok=True)
    promtool("create-blocks-from", ONE_BLOCK, "openmetrics", str(past), str(data))
    start, end, step = times(past)
    with tempfile.TemporaryDirectory(prefix="billingwatch-backfill-") as folder:
        for number, level in enumerate(levels(yaml.safe_load(rules.read_text())["groups"])):
            one = Path(folder) / f"{number}.yml"
            one.write_text(yaml.safe_dump({"groups": [{"name": "past", "rules": level}]}))
            made = Path(folder) / f"{number}"
            with prometheus(data, Path(folder)) as url:
                recording = ("rules", f"--url={url}", f"--start={start}", f"--end={end}")
                options = (f"--eval-interval={step}s", f"--output-dir={made}", str(one))
                promtool("create-blocks-from", ONE_BLOCK, *recording, *options)
            for block in made.glob("*"):
                shutil.move(block, data)


def times(past: Path) -> tuple[int, int, int]:
    """Return first moment, last moment and step (Unix seconds) of a past, read off its last series, `up`."""
    with past.open("rb") as file:
        file.seek(-min(past.stat().st_size, 1 << 22), 2)
        stamps = [int(line.split()[-1]) for line in file.read().splitlines() if line.startswith(b"up{")]
    return stamps[0], stamps[-1], stamps[1] - stamps[0]


def levels(groups: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Give the recording rules in passes, each of which reads only what passes before it recorded."""
    left = [rule for group in groups for rule in group["rules"] if "record" in rule]
    while left:
        unknown = {rule["record"] for rule in left}
        ready = [rule for rule in left if not any(name in rule["expr"] for name in unknown)]
        if not ready:
            raise RuntimeError(f"these recordings read each other: {', '.join(sorted(unknown))}")
        yield ready
        left = [rule for rule in left if rule not in ready]


@contextmanager
def prometheus(data: Path, folder: Path) -> Iterator[str]:
    """Run a Prometheus that only answers, on a port of its own; give its address."""
    (folder / "prometheus.yml").write_text("{}")
    port = free_port(0)
    command = [tool("prometheus"), f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={data}"]
    command += [f"--web.listen-address=127.0.0.1:{port}", "--storage.tsdb.retention.time=60d"]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + READY_SECONDS
        while not answers(port, "/-/ready"):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((folder / "prometheus.log").read_text(errors="replace"))
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        stop(process)


def promtool(*words: str) -> None:
    """Run `promtool tsdb`; raises RuntimeError with what it said where it fails."""
    done = subprocess.run([tool("promtool"), "tsdb", *words], check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"promtool tsdb {' '.join(words)} failed: {done.stderr}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
