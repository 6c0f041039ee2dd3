from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

import click

from bw_exporter.command_line import options
from bw_exporter.command_line.flags import config_file, flag
from bw_exporter.command_line.program import Command
from bw_exporter.command_line.storage import StorageURL
from bw_exporter.command_line.stripe import allow_secret_key, endpoint_url, one_tenant, stripe_api_url


@click.command("history", cls=Command)
@config_file
# No variable stands in for it: BW_STORAGE_URL is the store of `serve`, which no past may fill.
@flag(
    "--storage.url",
    "A new store, left as the past left it, for `serve` to go on from.",
    read=StorageURL(),
    metavar="URL",
    variable=False,
    required=True,
)
@flag(
    "--output",
    "Where the past is written, as OpenMetrics text with timestamps.",
    metavar="FILE",
    variable=False,
    required=True,
)
@flag("--since", "How far back, 30d at most.", read=options.duration, default="30d", metavar="DURATION")
@one_tenant
@flag("--step", "Between two scrapes.", read=options.duration, default="2m", metavar="DURATION")
@flag("--job", "The label job.", default="billing-exporter", metavar="JOB")
@flag("--instance", "The label instance.", default="127.0.0.1:9847", metavar="HOST:PORT")
@endpoint_url
@stripe_api_url
@allow_secret_key
def command(
    *,
    config_file: str,
    storage_url: str,
    output: str,
    since: int,
    tenant: str | None,
    step: int,
    job: str,
    instance: str,
    web_webhook_url: str | None,
    stripe_api_url: str | None,
    allow_secret_key: bool,
) -> None:
    """Write the past that Stripe remembers.

    It is as if the exporter had run.

    Each event counts as if a webhook had brought it when it was made. What was read is kept: the same command goes
    on where the last one ended.
    """
    from bw_exporter import tenants_file
    from bw_exporter.catch_up import by_hand
    from bw_exporter.past import history
    from bw_exporter.past.file import Target
    from bw_exporter.serving.private_memory import keep_memory_private
    from bw_exporter.stripe_api import clients

    keep_memory_private()
    tenants = by_hand.chosen(tenants_file.load(config_file, allow_secret_key=allow_secret_key), tenant)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    terminal = sys.stderr.isatty()

    def show(line: str) -> None:
        click.echo(f"\r\x1b[K{line}" if terminal else line, err=True, nl=not terminal)

    wanted = history.Wanted(
        since, Path(output), storage_url, step, Target(job, instance), web_webhook_url or ""
    )
    client = clients.of_accounts(stripe_api_url, attempts=8, longest_seconds=60.0, wait=stop.wait)
    try:
        said = history.write(wanted, tenants, client, stopped=stop.is_set, show=show)
    finally:
        if terminal:
            click.echo(err=True)
    click.echo(said)
