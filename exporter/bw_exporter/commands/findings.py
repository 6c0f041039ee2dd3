from __future__ import annotations

import time

import click

from bw_exporter.command_line import options
from bw_exporter.command_line.flags import flag
from bw_exporter.command_line.program import Command
from bw_exporter.command_line.storage import storage_url
from bw_exporter.errors import BillingWatchError


@click.command("findings", cls=Command)
@storage_url
@flag("--tenant", "Of this tenant only.", metavar="T")
@flag(
    "--since",
    "How far back.",
    read=options.duration,
    default="24h",
    metavar="DURATION",
)
@flag("--limit", "At most so many.", read=options.positive, default="1000", metavar="N")
@flag("--format", "How they are written.", choices=("table", "json", "csv"), default="table")
def command(*, storage_url: str, tenant: str | None, since: int, limit: int, format: str) -> None:  # noqa: A002 - the flag's own name
    """List what the checks found, newest first.

    Findings are duplicate charges, invoice mismatches and what else the checks report; they are kept 90 days.
    """
    from bw_exporter.monitoring import findings_table, tenant_names
    from bw_exporter.store import open_reader

    store = open_reader(storage_url)
    try:
        found = store.findings(tenant=tenant, since_at=int(time.time()) - since, limit=limit)
        if tenant and not found and tenant not in (known := tenant_names.in_store(store)):
            raise BillingWatchError(tenant_names.no_such_tenant(tenant, known))
    finally:
        store.close()
    click.echo(findings_table.FORMATS[format](found), nl=False)
