"""bw-rules: from one tenants.yaml to alerting rules and routing, checked and explained."""

from __future__ import annotations

import difflib
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bw_exporter.command_line.parser import run_chosen
from bw_exporter.config import tenants
from bw_exporter.config.problems import nearest
from bw_exporter.errors import BillingWatchError, ConfigError
from bw_rules import arguments, output
from bw_rules.detectors import DETECTORS, THRESHOLDS
from bw_rules.groups import build
from bw_rules.wording import some

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from bw_exporter.config.tenants import Tenants


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return 0 if all is well, 1 if something was found, 2 if it was called wrongly."""
    given = sys.argv[1:] if argv is None else argv
    parser, commands = arguments.parsers(os.environ)
    return run_chosen(parser, commands, given, lambda args: _RUN[args.command](args))


def _render(args: Namespace) -> int:
    output.write(_rendered(args, _load(args)), args.output)
    return 0


def _rendered(args: Namespace, found: Tenants) -> str:
    if args.format == "mimir":
        from bw_rules.render import mimir  # noqa: PLC0415 - one format is used at a time

        groups = build.groups(found, _settings(args, found), mimir.RULES_PER_GROUP)
        if len(groups) > mimir.GROUPS_PER_TENANT:
            print(f"{args.config_file}: {mimir.too_many(len(groups))}", file=sys.stderr)
        return mimir.render(groups, args.config_file, args.namespace or args.name)
    groups = build.groups(found, _settings(args, found))
    if args.format == "operator":
        from bw_rules.render import operator  # noqa: PLC0415 - one format is used at a time

        return operator.render(groups, args.config_file, args.name, args.namespace, dict(args.label))
    from bw_rules.render import prometheus  # noqa: PLC0415 - one format is used at a time

    return prometheus.render(groups, args.config_file)


def _alertmanager(args: Namespace) -> int:
    from bw_rules.render import alertmanager, merge  # noqa: PLC0415 - this command alone

    given = merge.global_keys(args.base) if args.base else frozenset()
    ours = alertmanager.routing(_load(args), args.alertmanager_version, given)
    merged = merge.merge(args.base, ours, args.config_file) if args.base else None
    text = merged or alertmanager.render(ours, args.config_file)
    for remark in ours.remarks:
        print(f"{args.config_file}: {remark}", file=sys.stderr)
    output.write(text, args.output)
    return 0


def _check(args: Namespace) -> int:
    from bw_rules.verify import validate  # noqa: PLC0415 - this command alone

    problems, remarks = validate.check(args.file)
    for line in remarks:
        print(line, file=sys.stderr)
    for line in problems:
        print(line)
    if not problems:
        print(f"{args.file}: ok")
    return 1 if problems else 0


def _test(args: Namespace) -> int:
    from bw_rules.verify import trial_run  # noqa: PLC0415 - this command alone

    with tempfile.TemporaryDirectory(prefix="bw-rules-") as folder:
        passed, lines = trial_run.run(_load(args), build.Settings(args.job), Path(folder))
    print("\n".join(lines))
    return 0 if passed else 1


def _diff(args: Namespace) -> int:
    wanted = _rendered(args, _load(args)).splitlines(keepends=True)
    try:
        there = Path(args.file).read_text(encoding="utf-8").splitlines(keepends=True)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "no text"
        raise BillingWatchError(
            f"{args.file}: cannot be read ({reason}); give the rule file that `bw-rules render` has written"
        ) from error
    difference = list(difflib.unified_diff(there, wanted, args.file, f"rendered from {args.config_file}"))
    sys.stdout.writelines(difference)
    return 1 if difference else 0


def _list(args: Namespace) -> int:
    from bw_rules import explain  # noqa: PLC0415 - this command alone

    print("\n".join(explain.listing(_load(args))))
    return 0


def _split(args: Namespace) -> int:
    from bw_rules import split  # noqa: PLC0415 - this command alone

    for path, count in split.split(_load(args), args.shards, args.output_dir):
        print(f"{path}: {count} tenants")
    return 0


def _explain(args: Namespace) -> int:
    from bw_rules import explain  # noqa: PLC0415 - this command alone

    found = _load(args)
    if args.detector not in DETECTORS:
        raise BillingWatchError(
            f"there is no detector {args.detector}; "
            + nearest(args.detector, DETECTORS, f"use {', '.join(DETECTORS)}")
        )
    if args.tenant is not None and args.tenant not in found.by_id:
        raise BillingWatchError(
            f"{args.config_file} has no tenant {args.tenant}; {_ways_out(args.tenant, found)}"
        )
    settings = build.Settings(args.job)
    print("\n".join(explain.explanation(found, args.detector, args.tenant, settings)))
    return 0


def _ways_out(name: str, found: Tenants) -> str:
    """Return what to ask for instead of a tenant that is not there; a file may have thousands."""
    close = difflib.get_close_matches(name, list(found.by_id), n=3, cutoff=0.6)
    if close:
        return f"did you mean {' or '.join(close)}?"
    return f"it has {some([*found.by_id])}; without --tenant the defaults are explained"


def _load(args: Namespace) -> Tenants:
    found = tenants.load(args.config_file, detectors=THRESHOLDS, read_secrets=False)
    if found.unread:
        raise ConfigError(found.source, found.unread)
    return found


def _settings(args: Namespace, found: Tenants) -> build.Settings:
    dashboards = args.dashboard_base or found.dashboard_base or build.DASHBOARD_BASE
    return build.Settings(args.job, args.runbook_base, dashboards, args.exporter_base)


_RUN = {
    "render": _render,
    "alertmanager": _alertmanager,
    "check": _check,
    "test": _test,
    "diff": _diff,
    "split": _split,
    "list": _list,
    "explain": _explain,
}

if __name__ == "__main__":
    sys.exit(main())
