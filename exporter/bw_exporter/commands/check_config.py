from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from bw_exporter.command_line import flags
from bw_exporter.command_line.program import Command
from bw_exporter.command_line.stripe import allow_secret_key

if TYPE_CHECKING:
    from bw_exporter.config.alerting.receiver_fields import Version


def _version(text: str) -> Version:
    from bw_exporter.config.alerting import receiver_fields

    return receiver_fields.read_version(text)


@click.command("check-config", cls=Command)
@flags.config_file
@flags.flag(
    "--alertmanager-version",
    "Your Alertmanager, which has to take every field of the receivers.",
    read=_version,
    default="0.25",
    metavar="VERSION",
)
@flags.flag(
    "--alertmanager-base",
    "The alertmanager.yml that `bw-rules alertmanager --base` merges the receivers into.",
    metavar="FILE",
)
@allow_secret_key
@click.argument("file", required=False, metavar="[FILE]")
@click.pass_context
def command(
    ctx: click.Context,
    *,
    config_file: str,
    alertmanager_version: Version,
    alertmanager_base: str | None,
    allow_secret_key: bool,
    file: str | None,
) -> int:
    """Read the configuration and report every mistake in it.

    FILE may stand for --config.file FILE. Receivers are judged as `bw-rules alertmanager` judges them.
    """
    from bw_exporter import tenants_file
    from bw_exporter.config import check_config
    from bw_exporter.config.alerting import alertmanager_file
    from bw_exporter.config.alerting.receiver_fields import Alertmanager

    source = ctx.get_parameter_source("config_file")
    if file and source is click.core.ParameterSource.COMMANDLINE:
        raise click.UsageError(f"Two files are given; leave out {file} or --config.file.", ctx)
    given = alertmanager_file.global_keys(alertmanager_base) if alertmanager_base else frozenset()
    status, lines = check_config.report(
        file or config_file,
        tenants_file.THRESHOLDS,
        os.environ,
        Alertmanager(alertmanager_version, given),
        allow_secret_key=allow_secret_key,
    )
    click.echo("\n".join(lines), err=bool(status))
    return status
