"""bw-rules: from one tenants.yaml to alerting rules and routing, checked and explained."""

from __future__ import annotations

import argparse
import difflib
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bw_exporter import __version__, tenants
from bw_exporter.config.problems import nearest
from bw_exporter.errors import BillingWatchError
from bw_rules import arguments, build, output
from bw_rules.detectors import DETECTORS, THRESHOLDS
from bw_rules.render import receiver_fields
from bw_rules.wording import some

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bw_exporter.tenants import Tenants

FORMATS = ("prometheus", "operator", "mimir")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return 0 if all is well, 1 if something was found, 2 if it was called wrongly."""
    arguments = _parser().parse_args(argv)
    try:
        code: int = arguments.run(arguments)
    except BillingWatchError as error:
        print(error, file=sys.stderr)
        return 1
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - nobody reads on; be quiet at exit too
        return 0
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bw-rules", description=__doc__)
    parser.add_argument("--version", action="version", version=f"bw-rules {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    config = argparse.ArgumentParser(add_help=False)
    config.add_argument(
        "--config.file",
        dest="config",
        metavar="FILE",
        default=os.environ.get("BW_CONFIG_FILE", "tenants.yaml"),
        help="the tenants.yaml (BW_CONFIG_FILE; default: %(default)s)",
    )
    job = argparse.ArgumentParser(add_help=False)
    job.add_argument(
        "--job",
        type=arguments.job,
        default=build.JOB,
        help="the exporter's scrape job (default: %(default)s)",
    )
    made = argparse.ArgumentParser(add_help=False, parents=[job])
    made.add_argument(
        "--runbook-base", default=build.RUNBOOK_BASE, metavar="URL", help="where the runbooks are"
    )
    made.add_argument("--dashboard-base", default=build.DASHBOARD_BASE, metavar="URL", help="Grafana's …/d")
    made.add_argument(
        "--format", choices=FORMATS, default="prometheus", help="who reads it (default: %(default)s)"
    )
    made.add_argument("--name", default="billingwatch", help="of the PrometheusRule (default: %(default)s)")
    made.add_argument("--namespace", help="of the PrometheusRule, or of the groups in Mimir")
    made.add_argument(
        "--label",
        action="append",
        default=[],
        type=arguments.label,
        metavar="K=V",
        help="on the PrometheusRule",
    )
    written = argparse.ArgumentParser(add_help=False)
    written.add_argument("--output", metavar="FILE", help="instead of standard output")

    one = commands.add_parser("render", parents=[config, made, written], help="write the rule file")
    one.set_defaults(run=_render)
    one = commands.add_parser("alertmanager", parents=[config, written], help="write alertmanager.yml")
    one.add_argument("--base", metavar="FILE", help="an alertmanager.yml to merge into")
    one.add_argument(
        "--alertmanager-version",
        type=arguments.version,
        default=receiver_fields.OLDEST,
        metavar="0.25",
        help="yours, which has to take every field (default: 0.25)",
    )
    one.set_defaults(run=_alertmanager)
    one = commands.add_parser("check", parents=[config], help="check a rule file")
    one.add_argument("file", metavar="FILE")
    one.set_defaults(run=_check)
    one = commands.add_parser("test", parents=[config, job], help="run the detectors' cases in promtool")
    one.set_defaults(run=_test)
    one = commands.add_parser(
        "diff", parents=[config, made], help="exit 1 if FILE is not what would be rendered"
    )
    one.add_argument("file", metavar="FILE")
    one.set_defaults(run=_diff)
    one = commands.add_parser(
        "split", parents=[config], help="cut tenants.yaml into shards by hash of the tenant's id"
    )
    one.add_argument(
        "--shards", type=arguments.shards, required=True, metavar="N", help="how many, 2 to 1000"
    )
    one.add_argument(
        "--output-dir", type=Path, metavar="DIR", help="where they go; without it, beside the file"
    )
    one.set_defaults(run=_split)
    one = commands.add_parser("list", parents=[config], help="detectors and the thresholds in force")
    one.set_defaults(run=_list)
    one = commands.add_parser(
        "explain", parents=[config, job], help="one detector: thresholds, PromQL, runbook"
    )
    one.add_argument("detector", metavar="DETECTOR")
    one.add_argument("--tenant", metavar="T", help="as this tenant has it")
    one.set_defaults(run=_explain)
    return parser


def _render(args: argparse.Namespace) -> int:
    output.write(_rendered(args, _load(args)), args.output)
    return 0


def _rendered(args: argparse.Namespace, found: Tenants) -> str:
    if args.format == "mimir":
        from bw_rules.render import mimir  # noqa: PLC0415 - one format is used at a time

        groups = build.groups(found, _settings(args), mimir.RULES_PER_GROUP)
        if len(groups) > mimir.GROUPS_PER_TENANT:
            print(f"{args.config}: {mimir.too_many(len(groups))}", file=sys.stderr)
        return mimir.render(groups, args.config, args.namespace or args.name)
    groups = build.groups(found, _settings(args))
    if args.format == "operator":
        from bw_rules.render import operator  # noqa: PLC0415 - one format is used at a time

        return operator.render(groups, args.config, args.name, args.namespace, dict(args.label))
    from bw_rules.render import prometheus  # noqa: PLC0415 - one format is used at a time

    return prometheus.render(groups, args.config)


def _alertmanager(args: argparse.Namespace) -> int:
    from bw_rules.render import alertmanager, merge  # noqa: PLC0415 - this command alone

    given = merge.global_keys(args.base) if args.base else frozenset()
    ours = alertmanager.routing(_load(args), args.alertmanager_version, given)
    merged = merge.merge(args.base, ours, args.config) if args.base else None
    text = merged or alertmanager.render(ours, args.config)
    for remark in ours.remarks:
        print(f"{args.config}: {remark}", file=sys.stderr)
    output.write(text, args.output)
    return 0


def _check(args: argparse.Namespace) -> int:
    from bw_rules import validate  # noqa: PLC0415 - this command alone

    problems, remarks = validate.check(args.file)
    for line in remarks:
        print(line, file=sys.stderr)
    for line in problems:
        print(line)
    if not problems:
        print(f"{args.file}: ok")
    return 1 if problems else 0


def _test(args: argparse.Namespace) -> int:
    from bw_rules import trial_run  # noqa: PLC0415 - this command alone

    with tempfile.TemporaryDirectory(prefix="bw-rules-") as folder:
        passed, lines = trial_run.run(_load(args), build.Settings(args.job), Path(folder))
    print("\n".join(lines))
    return 0 if passed else 1


def _diff(args: argparse.Namespace) -> int:
    wanted = _rendered(args, _load(args)).splitlines(keepends=True)
    try:
        there = Path(args.file).read_text(encoding="utf-8").splitlines(keepends=True)
    except (OSError, UnicodeDecodeError) as error:
        print(
            f"{args.file}: cannot be read ({getattr(error, 'strerror', None) or 'no text'})", file=sys.stderr
        )
        return 1
    difference = list(difflib.unified_diff(there, wanted, args.file, f"rendered from {args.config}"))
    sys.stdout.writelines(difference)
    return 1 if difference else 0


def _list(args: argparse.Namespace) -> int:
    from bw_rules import explain  # noqa: PLC0415 - this command alone

    print("\n".join(explain.listing(_load(args))))
    return 0


def _split(args: argparse.Namespace) -> int:
    from bw_rules import split  # noqa: PLC0415 - this command alone

    for path, count in split.split(_load(args), args.shards, args.output_dir):
        print(f"{path}: {count} tenants")
    return 0


def _explain(args: argparse.Namespace) -> int:
    from bw_rules import explain  # noqa: PLC0415 - this command alone

    found = _load(args)
    if args.detector not in DETECTORS:
        raise BillingWatchError(
            f"there is no detector {args.detector}; "
            + nearest(args.detector, DETECTORS, f"use {', '.join(DETECTORS)}")
        )
    if args.tenant is not None and args.tenant not in found.by_id:
        raise BillingWatchError(f"{args.config} has no tenant {args.tenant}; {_ways_out(args.tenant, found)}")
    settings = build.Settings(args.job)
    print("\n".join(explain.explanation(found, args.detector, args.tenant, settings)))
    return 0


def _ways_out(name: str, found: Tenants) -> str:
    """Return what to ask for instead of a tenant that is not there; a file may have thousands."""
    close = difflib.get_close_matches(name, list(found.by_id), n=3, cutoff=0.6)
    if close:
        return f"did you mean {' or '.join(close)}?"
    return f"it has {some([*found.by_id])}; without --tenant the defaults are explained"


def _load(args: argparse.Namespace) -> Tenants:
    return tenants.load(args.config, detectors=THRESHOLDS, read_secrets=False)


def _settings(args: argparse.Namespace) -> build.Settings:
    return build.Settings(args.job, args.runbook_base, args.dashboard_base)


if __name__ == "__main__":
    sys.exit(main())
