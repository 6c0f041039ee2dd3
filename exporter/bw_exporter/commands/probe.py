from __future__ import annotations

import click

from bw_exporter.command_line.flags import config_file, flag
from bw_exporter.command_line.program import Command
from bw_exporter.command_line.stripe import allow_secret_key, endpoint_url, one_tenant, stripe_api_url


@click.command("probe", cls=Command)
@config_file
@one_tenant
@endpoint_url
@stripe_api_url
@allow_secret_key
@flag("--format", "How it is written.", choices=("table", "json"), default="table")
def command(
    *,
    config_file: str,
    tenant: str | None,
    web_webhook_url: str | None,
    stripe_api_url: str | None,
    allow_secret_key: bool,
    format: str,  # noqa: A002 - the flag's own name
) -> int:
    """Ask Stripe about API keys and webhook endpoints.

    It says whether they are as they should be.

    Nothing is ever written to Stripe. The exit status is 1 where something is to be done.
    """
    from bw_exporter import tenants_file
    from bw_exporter.catch_up import by_hand, probing
    from bw_exporter.serving.private_memory import keep_memory_private

    keep_memory_private()
    tenants = by_hand.chosen(tenants_file.load(config_file, allow_secret_key=allow_secret_key), tenant)
    probed = probing.probed(tenants, stripe_api_url, web_webhook_url or "")
    click.echo(probing.FORMATS[format](probed), nl=False)
    return int(any(check.todo for _, checks in probed for check in checks))
