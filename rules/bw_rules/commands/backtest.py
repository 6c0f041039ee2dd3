from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from bw_exporter.command_line import options
from bw_exporter.command_line.program import Command
from bw_rules.commands import _flags, _rendering
from bw_rules.commands._flags import flag

if TYPE_CHECKING:
    from bw_rules.backtest.variants import Change

_SHORTEST_STEP, _LONGEST_STEP = 60, 300


def _change(text: str) -> tuple[Change, ...]:
    from bw_rules.backtest import variants

    return variants.read_set(text)


def _step(text: str) -> int:
    seconds = options.duration(text)
    if not _SHORTEST_STEP <= seconds <= _LONGEST_STEP or seconds % _SHORTEST_STEP:
        raise ValueError("write whole minutes, from 1m to 5m")
    return seconds


@click.command("backtest", cls=Command)
@_flags.config_file
@_flags.prometheus
@_rendering.job
@_flags.since
@_flags.until_at
@flag(
    "--step",
    "How often rules are evaluated; Prometheus does it each minute, which takes twice as long.",
    read=_step,
    default="2m",
    metavar="DURATION",
)
@_flags.one_tenant
@_flags.one_detector
@flag(
    "--set",
    "Try this as well, for every tenant, side by side; may be repeated. Several with commas are tried together.",
    read=_change,
    multiple=True,
    metavar="D.KEY=VALUE",
)
@flag("--format", "Who reads it.", choices=("table", "json", "markdown"), default="table")
def command(
    *,
    config_file: str,
    prometheus: str,
    job: str,
    since: int,
    until: int | None,
    step: int,
    tenant: str | None,
    detector: str | None,
    set: tuple[tuple[Change, ...], ...],  # noqa: A002 - the flag's name
    format: str,  # noqa: A002 - the flag's name
) -> None:
    """Say how often each alert would have fired."""
    from bw_rules.backtest import report, trial, variants
    from bw_rules.detectors import DETECTORS
    from bw_rules.prometheus import Prometheus

    found = _flags.load(config_file)
    _flags.require(found, tenant, detector, "all are judged")
    detectors = (detector,) if detector else tuple(DETECTORS)
    until_at = _flags.until(until, since, step, int(time.time()))
    asked = [variants.Variant(variants.AS_IT_IS, found), *(variants.variant(config_file, one) for one in set)]
    period = trial.Period(until_at - since, until_at, detectors, job, tenant, step)
    with _flags.progress() as show:
        result = trial.judge(Prometheus(prometheus), asked, period, show)
    for line in report.not_judged(result):
        click.echo(line, err=True)
    click.echo(report.written(result, format), nl=False)
