from __future__ import annotations

import click

from bw_exporter.command_line.flags import config_file, flag, switch
from bw_exporter.command_line.program import Command


@click.command("send", cls=Command)
@config_file
@flag("--tenant", "Whose secret and address to use.", metavar="T", required=True)
@flag(
    "--url",
    "The exporter's public address; a bare host gets /webhooks/<tenant>.",
    default="http://127.0.0.1:8000",
    metavar="URL",
)
@switch("--fresh", "Give each event a new id and the present as its time, so that an old file counts as new.")
@click.argument("files", nargs=-1, required=True, metavar="EVENT.json...")
def command(*, config_file: str, tenant: str, url: str, fresh: bool, files: tuple[str, ...]) -> int:
    """Sign events and post them, as Stripe would.

    EVENT.json is an event's file; - is standard input.
    """
    from bw_exporter import tenants_file
    from bw_simulator import sender

    found = sender.tenant_of(tenants_file.load(config_file), tenant)
    return sender.send(files, found, url, fresh=fresh)
