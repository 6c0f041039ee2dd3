from __future__ import annotations

import click

from bw_exporter.command_line.program import Command
from bw_exporter.command_line.storage import StorageURL


@click.command("migrate-store", cls=Command)
@click.argument("source", type=StorageURL(), metavar="FROM")
@click.argument("target", type=StorageURL(), metavar="TO")
def command(*, source: str, target: str) -> None:
    """Move a store into an empty one and prove both equal.

    FROM is the URL of the store in use, TO that of an empty one of either kind.
    """
    from bw_exporter.store.move import migrate

    for moved in migrate(source, target):
        click.echo(moved)
    click.echo(
        "What a scrape shows is equal, byte for byte. Start the exporter on the new store; keep the old one a while."
    )
