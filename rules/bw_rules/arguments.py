"""The commands of bw-rules and their flags; each kind of value is read by a function that says what to give instead."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from bw_exporter import __version__
from bw_exporter.command_line.parser import Parser
from bw_exporter.config import receiver_fields
from bw_rules.groups import build

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bw_exporter.config.receiver_fields import Version

FORMATS = ("prometheus", "operator", "mimir")

_MOST_SHARDS = 1000


def job(text: str) -> str:
    """Return the name of a scrape job."""
    if not text.strip():
        raise argparse.ArgumentTypeError("give the exporter's job_name in Prometheus; none is called nothing")
    return text


def label(text: str) -> tuple[str, str]:
    """Return a label's name and value."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError("write it as KEY=VALUE")
    return name, value


def shards(text: str) -> int:
    """Return a number of shards."""
    if not text.isdecimal() or not 1 < int(text) <= _MOST_SHARDS:
        raise argparse.ArgumentTypeError(f"give a whole number from 2 to {_MOST_SHARDS}")
    return int(text)


def version(text: str) -> Version:
    """Return the version of an Alertmanager whose receivers' fields are known."""
    try:
        return receiver_fields.read_version(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def parsers(environ: Mapping[str, str]) -> tuple[Parser, dict[str, Parser]]:
    """Return the parser of all commands, and that of each by its name."""
    parser = Parser(
        prog="bw-rules",
        description="From one tenants.yaml to alerting rules and routing, checked and explained.",
    )
    parser.add_argument("--version", action="version", version=f"bw-rules {__version__}")
    adding = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    commands: dict[str, Parser] = {}
    config, scraped, made, written = _config(environ), _scraped(), _made(), _written()

    def command(name: str, about: str, *parents: Parser) -> Parser:
        commands[name] = adding.add_parser(name, parents=[config, *parents], help=about, description=about)
        return commands[name]

    command("render", "write the rule file", scraped, made, written)
    routing = command("alertmanager", "write alertmanager.yml", written)
    routing.add_argument("--base", metavar="FILE", help="an alertmanager.yml to merge into")
    routing.add_argument(
        "--alertmanager-version",
        type=version,
        default=receiver_fields.OLDEST,
        metavar="0.25",
        help="yours, which has to take every field (default: 0.25)",
    )
    command("check", "check a rule file").add_argument("file", metavar="FILE")
    command("test", "run the detectors' cases in promtool", scraped)
    command("diff", "exit 1 if FILE is not what would be rendered", scraped, made).add_argument(
        "file", metavar="FILE"
    )
    cut = command("split", "cut tenants.yaml into shards by hash of the tenant's id")
    cut.add_argument("--shards", type=shards, required=True, metavar="N", help="how many, 2 to 1000")
    cut.add_argument(
        "--output-dir", type=Path, metavar="DIR", help="where they go; without it, beside the file"
    )
    command("list", "detectors and the thresholds in force")
    explained = command("explain", "one detector: thresholds, PromQL, runbook", scraped)
    explained.add_argument("detector", metavar="DETECTOR")
    explained.add_argument("--tenant", metavar="T", help="as this tenant has it")
    return parser, commands


def _config(environ: Mapping[str, str]) -> Parser:
    flags = Parser(add_help=False)
    flags.flag(
        "--config.file",
        environ,
        default="tenants.yaml",
        metavar="FILE",
        help="the tenants.yaml (default: %(default)s)",
    )
    return flags


def _scraped() -> Parser:
    flags = Parser(add_help=False)
    flags.add_argument(
        "--job", type=job, default=build.JOB, help="the exporter's scrape job (default: %(default)s)"
    )
    return flags


def _made() -> Parser:
    flags = Parser(add_help=False)
    flags.add_argument(
        "--runbook-base", default=build.RUNBOOK_BASE, metavar="URL", help="where the runbooks are"
    )
    flags.add_argument(
        "--dashboard-base",
        metavar="URL",
        help=f"Grafana's …/d (default: dashboard_base in the tenants.yaml, else {build.DASHBOARD_BASE})",
    )
    flags.add_argument(
        "--exporter-base", default="", metavar="URL",
        help="the exporter's page, as people reach it (default: where Prometheus scrapes it)",
    )  # fmt: skip
    flags.add_argument(
        "--format", choices=FORMATS, default="prometheus", help="who reads it (default: %(default)s)"
    )
    flags.add_argument("--name", default="billingwatch", help="of the PrometheusRule (default: %(default)s)")
    flags.add_argument("--namespace", help="of the PrometheusRule, or of the groups in Mimir")
    flags.add_argument(
        "--label", action="append", default=[], type=label, metavar="K=V", help="on the PrometheusRule"
    )
    return flags


def _written() -> Parser:
    flags = Parser(add_help=False)
    flags.add_argument("--output", metavar="FILE", help="instead of standard output")
    return flags
