"""Findings as a table for people, as JSON and as CSV."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bw_exporter.checks import CHECKS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bw_exporter.store import Finding


def as_dict(finding: Finding) -> dict[str, object]:
    """Return what `/findings` and `--format json` show of a finding; `found_at` is in Unix seconds."""
    return {
        "found_at": finding.found_at,
        "tenant": finding.tenant,
        "kind": finding.kind,
        "details": finding.details,
    }


def _json(findings: Sequence[Finding]) -> str:
    return json.dumps([as_dict(finding) for finding in findings], indent=2) + "\n"


def _csv(findings: Sequence[Finding]) -> str:
    """Return a column for each detail that a check tells, whatever was found, and for those of findings of old."""
    told = (name for check in CHECKS.values() for name in check.DETAILS)
    details = list(dict.fromkeys((*told, *(name for finding in findings for name in finding.details))))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["found_at", "tenant", "kind", *details])
    for finding in findings:
        writer.writerow(
            [
                _moment(finding.found_at),
                finding.tenant,
                finding.kind,
                *(_text(finding.details.get(name, "")) for name in details),
            ]
        )
    return out.getvalue()


def _table(findings: Sequence[Finding]) -> str:
    if not findings:
        return "no findings in this time\n"
    rows = [("FOUND AT", "TENANT", "KIND", "DETAILS")]
    rows += [
        (
            _moment(finding.found_at),
            finding.tenant,
            finding.kind,
            " ".join(f"{name}={_text(value)}" for name, value in finding.details.items()),
        )
        for finding in findings
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "".join(
        "  ".join([*(text.ljust(width) for text, width in zip(row, widths, strict=False)), row[3]]) + "\n"
        for row in rows
    )


def _moment(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


FORMATS: Mapping[str, Callable[[Sequence[Finding]], str]] = {"table": _table, "json": _json, "csv": _csv}
"""By the name of `--format`: from findings to the text to print."""
