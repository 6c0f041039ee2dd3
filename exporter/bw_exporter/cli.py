"""The command line of the exporter: `bw-exporter serve | check-config | findings | migrate-store | send | simulate`."""

from __future__ import annotations

import logging
import os
import sys
import time
from functools import partial
from typing import TYPE_CHECKING

from bw_exporter import __version__, log
from bw_exporter.command_line import options
from bw_exporter.command_line.parser import Parser, run_chosen
from bw_exporter.errors import BillingWatchError

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Mapping, Sequence

    from bw_exporter.config.tenants import Tenants

_log = logging.getLogger(__name__)

_CONFIG_FILE = "tenants.yaml"
_STORAGE_URL = "sqlite:///data/billingwatch.db"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status: 0 done, 1 it could not be done, 2 a mistaken command line."""
    argv = sys.argv[1:] if argv is None else argv
    parser, commands = _parsers(argv, os.environ)
    return run_chosen(parser, commands, argv, lambda args: args.run(args))


def _parsers(argv: Sequence[str], environ: Mapping[str, str]) -> tuple[Parser, dict[str, Parser]]:
    """Make the parser of all commands; the flags of `send` and `simulate` are loaded when they are wanted."""
    parser = Parser(
        prog="bw-exporter",
        description="Receive Stripe webhooks, count each exactly once, and expose the counts to Prometheus.",
        epilog="The environment variable of each flag stands in brackets in the help of its command.",
    )
    parser.add_argument("--version", action="version", version=f"bw-exporter {__version__}")
    adding = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    commands: dict[str, Parser] = {}

    def command(name: str, run: Callable[[Namespace], int], about: str) -> Parser:
        commands[name] = adding.add_parser(name, help=about, description=about)
        commands[name].set_defaults(run=run)
        return commands[name]

    config = partial(
        Parser.flag, name="--config.file", environ=environ, default=_CONFIG_FILE, metavar="FILE",
        help="the tenants and their thresholds (default: %(default)s)",
    )  # fmt: skip
    storage = partial(
        Parser.flag, name="--storage.url", environ=environ, default=_STORAGE_URL, kind=options.storage_url,
        metavar="URL",
        help="the store: sqlite:///relative, sqlite:////absolute, postgresql://user@host/database"
        " (default: %(default)s)",
    )  # fmt: skip

    serve = command("serve", _serve, "run the exporter until SIGTERM")
    config(serve)
    storage(serve)
    _serve_flags(serve, environ)

    config(command("check-config", _check_config, "read the configuration and tell every mistake in it"))

    findings = command("findings", _findings, "list duplicate charges and invoice mismatches, newest first")
    storage(findings)
    findings.flag("--tenant", environ, metavar="T", help="of this tenant only")
    findings.flag(
        "--since", environ, default="24h", kind=options.duration, metavar="24h",
        help="how far back (default: %(default)s; they are kept 90 days)",
    )  # fmt: skip
    findings.flag(
        "--limit", environ, default="1000", kind=options.positive, metavar="N", help="at most so many"
    )
    findings.flag(
        "--format", environ, default="table", choices=("table", "json", "csv"), help="default: %(default)s"
    )

    move = command("migrate-store", _migrate_store, "move a store into an empty one and prove both equal")
    move.add_argument(
        "source", type=options.bare_storage_url, metavar="FROM", help="the store in use: its URL"
    )
    move.add_argument(
        "target", type=options.bare_storage_url, metavar="TO", help="an empty one of either kind"
    )

    send = command("send", _send, "sign events and post them, as Stripe would")
    simulate = command("simulate", _simulate, "play a shop: normal traffic and each anomaly")
    config(send)
    config(simulate)
    wanted = next((word for word in argv if not word.startswith("-")), None)
    if wanted == "send":
        from bw_simulator import sender  # noqa: PLC0415

        sender.add_arguments(send)
    if wanted == "simulate":
        from bw_simulator import simulate as simulation  # noqa: PLC0415

        simulation.add_arguments(simulate)
    return parser, commands


def _serve_flags(parser: Parser, environ: Mapping[str, str]) -> None:
    parser.flag(
        "--web.webhook-address", environ, default="0.0.0.0:8000", kind=options.address, metavar="HOST:PORT",
        help="the public listener, where Stripe posts to /webhooks/<tenant> (default: %(default)s)",
    )  # fmt: skip
    parser.flag(
        "--web.webhook-url", environ, kind=options.url, metavar="URL",
        help="the public listener as Stripe sees it, for the page to show, as in https://hooks.example.com",
    )  # fmt: skip
    parser.flag(
        "--web.metrics-address", environ, default="127.0.0.1:9847", kind=options.address, metavar="HOST:PORT",
        help="the private listener: /metrics, /-/ready, /findings, a page (default: %(default)s)",
    )  # fmt: skip
    cores = str(options.cores())
    parser.flag(
        "--web.workers", environ, default=cores, kind=options.workers, metavar="N",
        help="processes that take webhooks (default: the number of cores, %(default)s)",
    )  # fmt: skip
    parser.flag(
        "--web.config.file", environ, metavar="FILE",
        help="TLS and basic auth of the private listener, as Prometheus' web.yml has them; read at the start",
    )  # fmt: skip
    parser.flag(
        "--web.request-timeout", environ, default="10s", kind=options.duration, metavar="10s",
        help="by when a request has to have arrived, header and body (default: %(default)s)",
    )  # fmt: skip
    parser.flag("--log.level", environ, default="info", choices=log.LEVELS, help="default: %(default)s")
    parser.flag("--log.format", environ, default="logfmt", choices=log.FORMATS, help="default: %(default)s")


def _load(path: str) -> Tenants:
    """Read a tenants.yaml with every detector's thresholds."""
    from bw_exporter.config import tenants  # noqa: PLC0415
    from bw_rules.detectors import THRESHOLDS  # noqa: PLC0415

    found = tenants.load(path, detectors=THRESHOLDS)
    for one in found.unread:
        _log.warning("a key of %s has no effect: %s: %s", path, one.path, one.message)
    return found


def _serve(args: Namespace) -> int:
    from bw_exporter.config import tenants as tenants_file  # noqa: PLC0415
    from bw_exporter.serving import judging, supervisor  # noqa: PLC0415
    from bw_rules.detectors import THRESHOLDS  # noqa: PLC0415

    log.configure(args.log_level, args.log_format)
    load = partial(tenants_file.load, args.config_file, detectors=THRESHOLDS)
    web, tenants = judging.at_start(args.web_config_file, args.config_file, load)
    supervisor.serve(
        supervisor.ServeOptions(
            config_file=args.config_file,
            load=load,
            storage_url=args.storage_url,
            webhook_address=args.web_webhook_address,
            metrics_address=args.web_metrics_address,
            workers=args.web_workers,
            web_config=web,
            webhook_url=args.web_webhook_url or "",
            request_timeout=args.web_request_timeout,
        ),
        tenants,
    )
    return 0


def _check_config(args: Namespace) -> int:
    from bw_exporter.config import check_config  # noqa: PLC0415
    from bw_rules.detectors import THRESHOLDS  # noqa: PLC0415

    status, lines = check_config.report(args.config_file, THRESHOLDS, os.environ)
    print("\n".join(lines), file=sys.stderr if status else sys.stdout)
    return status


def _findings(args: Namespace) -> int:
    from bw_exporter.monitoring import findings_table, tenant_names  # noqa: PLC0415
    from bw_exporter.store import open_reader  # noqa: PLC0415

    store = open_reader(args.storage_url)
    try:
        found = store.findings(tenant=args.tenant, since_at=int(time.time()) - args.since, limit=args.limit)
        if args.tenant and not found and args.tenant not in (known := tenant_names.in_store(store)):
            raise BillingWatchError(tenant_names.no_such_tenant(args.tenant, known))
    finally:
        store.close()
    print(findings_table.FORMATS[args.format](found), end="")
    return 0


def _migrate_store(args: Namespace) -> int:
    from bw_exporter.store.move import migrate  # noqa: PLC0415

    for moved in migrate(args.source, args.target):
        print(moved)
    print(
        "What a scrape shows is equal, byte for byte. Start the exporter on the new store; keep the old one a while."
    )
    return 0


def _send(args: Namespace) -> int:
    from bw_simulator import sender  # noqa: PLC0415

    return sender.run(args, load=_load)


def _simulate(args: Namespace) -> int:
    from bw_simulator import simulate  # noqa: PLC0415

    return simulate.run(args, load=_load)
