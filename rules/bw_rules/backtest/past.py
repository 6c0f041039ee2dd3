"""The blocks of a Prometheus from a past in OpenMetrics: the series, and what rules record over them."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from bw_exporter.config.reading import yaml_strict
from bw_exporter.errors import BillingWatchError
from bw_rules.backtest import blocks, server
from bw_rules.backtest.blocks import Stretch
from bw_rules.backtest.passes import passes

_DAY = 86_400
_USUAL_STEP = 60


def record(rules: str, past: str, output: Path, tell: Callable[[str], None] = lambda _: None) -> int:
    """Put the blocks into the folder `output`; return how many there are.

    They appear there only when all of them are made, so that `output` may be the storage of a Prometheus. Raises
    BillingWatchError where a file cannot be read, a rule fails or there is no promtool or prometheus.
    """
    for name in ("promtool", "prometheus"):
        server.tool(name)
    groups = rule_groups(rules)
    recorded = [str(rule["record"]) for group in groups for rule in group["rules"] if "record" in rule]
    wanted = passes(groups, dict.fromkeys(recorded))
    if not Path(past).is_file():
        raise BillingWatchError(
            f"{past}: there is no such file; write one with bw-exporter simulate --history"
        )
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".bw-rules-", dir=output) as folder:
        data = Path(folder) / "data"
        try:
            blocks.write_scraped(Path(past), data)
        except BillingWatchError as error:
            raise BillingWatchError(f"{past}: is no past in OpenMetrics with timestamps: {error}") from error
        found = span(data)
        if found is None:
            raise BillingWatchError(f"{past}: holds no samples; give a past in OpenMetrics with timestamps")
        start_at, end_at = found
        tell(f"{past}: {(end_at - start_at) / _DAY:.1f} days of series")
        with server.answering(data) as url:
            parts = stretches(url, start_at, end_at)
        blocks.write_recorded(data, wanted, parts, start_at, tell=tell)
        made = [block for block in data.iterdir() if (block / "meta.json").is_file()]
        for block in made:
            shutil.move(block, output)
    return len(made)


def rule_groups(path: str) -> Sequence[Mapping[str, Any]]:
    """Return the groups of a rule file, of a PrometheusRule too; raises BillingWatchError."""
    document = yaml_strict.load(path).value
    held = document.get("spec", document) if isinstance(document, dict) else None
    groups = held.get("groups") if isinstance(held, dict) else None
    whole = isinstance(groups, list) and all(
        isinstance(group, dict)
        and isinstance(group.get("rules"), list)
        and all(isinstance(rule, dict) and isinstance(rule.get("expr"), str) for rule in group["rules"])
        for group in groups
    )
    if not whole:
        raise BillingWatchError(f"{path}: has no `groups:` with rules; give what bw-rules render has written")
    assert isinstance(groups, list)
    return groups


def span(data: Path) -> tuple[int, int] | None:
    """Return the first and the last moment of a folder's blocks (Unix seconds), or None where it has none."""
    metas = [json.loads(meta.read_text(encoding="utf-8")) for meta in data.glob("*/meta.json")]
    if not metas:
        return None
    first = min(meta["minTime"] for meta in metas)
    last = max(meta["maxTime"] for meta in metas)  # a millisecond after the last sample, or the block's end
    return -(-first // 1000), (last - 1) // 1000


def stretches(url: str, start_at: int, end_at: int) -> list[Stretch]:
    """Return in which steps a past was scraped, told by the series `up`; days of the same step are one stretch."""
    moments = server.moments(url, "up", start_at, end_at)
    by_day: dict[int, Counter[int]] = {}
    for before, after in pairwise(moments):
        by_day.setdefault((after - start_at) // _DAY, Counter())[after - before] += 1
    found: list[Stretch] = []
    for day, steps in sorted(by_day.items()):
        step = max(steps.most_common(1)[0][0], 1)
        first_at = start_at + day * _DAY
        if found and found[-1].step == step:
            continue
        if found:
            found[-1] = Stretch(found[-1].start_at, first_at - 1, found[-1].step)
        found.append(Stretch(first_at if found else start_at, end_at, step))
    return found or [Stretch(start_at, end_at, _USUAL_STEP)]
