from __future__ import annotations

from functools import partial

import click

from bw_exporter import log
from bw_exporter.command_line import options
from bw_exporter.command_line.flags import config_file, flag
from bw_exporter.command_line.program import Command
from bw_exporter.command_line.storage import storage_url
from bw_exporter.command_line.stripe import allow_secret_key, stripe_api_url


@click.command("serve", cls=Command)
@config_file
@storage_url
@flag(
    "--web.webhook-address",
    "The public listener, where Stripe posts to /webhooks/<tenant>.",
    read=options.address,
    default="0.0.0.0:8000",
    metavar="HOST:PORT",
)
@flag(
    "--web.webhook-url",
    "The public listener as Stripe sees it, for the page to show, as in https://hooks.example.com.",
    read=options.url,
    metavar="URL",
)
@flag(
    "--web.metrics-address",
    "The private listener: /metrics, /-/ready, /findings, a page.",
    read=options.address,
    default="127.0.0.1:9847",
    metavar="HOST:PORT",
)
@flag(
    "--web.workers",
    "Processes that take webhooks.",
    read=options.workers,
    default=options.cores,
    shown_default="number of cores",
    metavar="N",
)
@flag(
    "--web.config.file",
    "TLS and basic auth of the private listener, as Prometheus' web.yml has them; read at the start.",
    metavar="FILE",
)
@flag(
    "--web.request-timeout",
    "By when a request has to have arrived, header and body.",
    read=options.duration,
    default="10s",
    metavar="DURATION",
)
@stripe_api_url
@allow_secret_key
@flag("--log.level", "The least that is logged.", choices=log.LEVELS, default="info")
@flag("--log.format", "How a line of the log is written.", choices=log.FORMATS, default="logfmt")
def command(
    *,
    config_file: str,
    storage_url: str,
    web_webhook_address: tuple[str, int],
    web_webhook_url: str | None,
    web_metrics_address: tuple[str, int],
    web_workers: int,
    web_config_file: str | None,
    web_request_timeout: int,
    stripe_api_url: str | None,
    allow_secret_key: bool,
    log_level: str,
    log_format: log.Format,
) -> None:
    """Run the exporter until SIGTERM."""
    from bw_exporter import tenants_file
    from bw_exporter.serving import judging, options, start

    log.configure(log_level, log_format)
    load = partial(tenants_file.load, config_file, allow_secret_key=allow_secret_key)
    web, tenants = judging.at_start(web_config_file, config_file, load)
    start.serve(
        options.ServeOptions(
            config_file=config_file,
            load=load,
            storage_url=storage_url,
            webhook_address=web_webhook_address,
            metrics_address=web_metrics_address,
            workers=web_workers,
            web_config=web,
            webhook_url=web_webhook_url or "",
            stripe_api_url=stripe_api_url or "",
            request_timeout=web_request_timeout,
        ),
        tenants,
    )
