from __future__ import annotations

import click

from bw_exporter.command_line import options
from bw_exporter.command_line.flags import config_file, flag, switch
from bw_exporter.command_line.program import Command
from bw_exporter.command_line.storage import storage_url
from bw_exporter.command_line.stripe import allow_secret_key, endpoint_url, one_tenant, stripe_api_url


@click.command("catch-up", cls=Command)
@config_file
@storage_url
@one_tenant
@flag(
    "--since",
    "How far back to ask, 30d at most.",
    read=options.duration,
    shown_default="since it was last asked",
    metavar="DURATION",
)
@switch(
    "--once",
    "Ask once and end; else it goes on, as a process of its own beside `serve` would.",
)
@endpoint_url
@stripe_api_url
@allow_secret_key
def command(
    *,
    config_file: str,
    storage_url: str,
    tenant: str | None,
    since: int | None,
    once: bool,
    web_webhook_url: str | None,
    stripe_api_url: str | None,
    allow_secret_key: bool,
) -> int:
    """Count what Stripe made and no webhook brought.

    `serve` does the same by itself where a tenant has an API key. Events count once, whoever asks.
    """
    from bw_exporter import log, tenants_file
    from bw_exporter.catch_up import by_hand
    from bw_exporter.serving.private_memory import keep_memory_private

    log.configure("warning" if once else "info", "logfmt")
    keep_memory_private()
    tenants = by_hand.chosen(tenants_file.load(config_file, allow_secret_key=allow_secret_key), tenant)
    wanted = by_hand.Wanted(storage_url, stripe_api_url, web_webhook_url or "", since)
    if not once:
        by_hand.run_on(tenants, wanted)
        return 0
    found = by_hand.run_once(tenants, wanted)
    click.echo("\n".join(f"{one.tenant}: {one.said}" for one in found))
    return int(any(one.failed for one in found))
