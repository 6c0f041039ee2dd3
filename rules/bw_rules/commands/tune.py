from __future__ import annotations

import math
import time

import click

from bw_exporter.command_line import options
from bw_exporter.command_line.program import Command
from bw_rules.commands import _flags, _rendering
from bw_rules.commands._flags import flag

_STEP = 120


def _number(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0 <= found < math.inf:
        raise ValueError(f"{text!r} is no number of alerts; write one such as 1 or 0.5")
    return found


@click.command("tune", cls=Command)
@_flags.config_file
@_flags.prometheus
@_rendering.job
@_flags.since
@_flags.until_at
@_flags.one_tenant
@_flags.one_detector
@flag(
    "--alerts-a-month",
    "How many alerts of each tenant's detector are not too many; confirmed ones do not count.",
    read=_number,
    default="1",
    metavar="N",
)
@flag("--marks", "Which episodes were confirmed and which false.", metavar="FILE|URL")
@flag(
    "--alertmanager",
    "Silences of this Alertmanager whose comment begins with `false:` mark what they silenced as false.",
    read=options.url,
    metavar="URL",
)
def command(
    *,
    config_file: str,
    prometheus: str,
    job: str,
    since: int,
    until: int | None,
    tenant: str | None,
    detector: str | None,
    alerts_a_month: float,
    marks: str | None,
    alertmanager: str | None,
) -> None:
    """Propose quieter thresholds, as a patch."""
    from bw_rules.backtest import report, trial
    from bw_rules.detectors import DETECTORS
    from bw_rules.prometheus import Prometheus
    from bw_rules.tuning import marks as judged
    from bw_rules.tuning import patch, tune

    found = _flags.load(config_file)
    _flags.require(found, tenant, detector, "all are tuned")
    until_at = _flags.until(until, since, _STEP, int(time.time()))
    said = judged.read(marks) if marks else ()
    if alertmanager:
        said += judged.silences(alertmanager)
    names = (detector,) if detector else tuple(DETECTORS)
    period = trial.Period(until_at - since, until_at, names, job, tenant, _STEP)
    with _flags.progress() as show:
        result, choices = tune.tuned(Prometheus(prometheus), found, period, said, alerts_a_month, show)
    for line in report.not_judged(result):
        click.echo(line, err=True)
    click.echo(patch.written(result, choices, said, alerts_a_month), nl=False)
