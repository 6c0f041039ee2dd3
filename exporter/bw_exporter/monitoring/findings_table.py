"""Findings as a table for people, as JSON and as CSV."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING

from bw_exporter.checks import CHECKS
from bw_exporter.monitoring.landing.findings import Row, as_row
from bw_exporter.monitoring.landing.formats import moment, timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bw_exporter.store import Finding

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")


def as_dict(finding: Finding) -> dict[str, object]:
    """Return what `/findings` and `--format json` give of a finding; `found_at` is in Unix seconds."""
    return {
        "found_at": finding.found_at,
        "tenant": finding.tenant,
        "kind": finding.kind,
        "details": finding.details,
    }


def _json(findings: Sequence[Finding]) -> str:
    return json.dumps([as_dict(finding) for finding in findings], indent=2) + "\n"


def _csv(findings: Sequence[Finding]) -> str:
    """Return a row for each finding; the columns are the details of all checks, and those of older findings."""
    expected = (name for check in CHECKS.values() for name in check.DETAILS)
    details = list(dict.fromkeys((*expected, *(name for finding in findings for name in finding.details))))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["found_at", "tenant", "kind", *(_cell(name) for name in details)])
    for finding in findings:
        cells = (finding.tenant, finding.kind, *(_text(finding.details.get(name, "")) for name in details))
        writer.writerow([timestamp(finding.found_at), *(_cell(text) for text in cells)])
    return out.getvalue()


def _cell(text: str) -> str:
    """Keep a spreadsheet from running a text as a formula: an apostrophe before it makes it text.

    https://owasp.org/www-community/attacks/CSV_Injection
    """
    safe = f"'{text}" if text.startswith(_FORMULA) and not _NUMBER.fullmatch(text) else text
    return safe.replace("\r", " ")  # which csv writes unquoted, though it ends a row for those who read it


def _table(findings: Sequence[Finding]) -> str:
    """Return a line for each finding, and below it what happened, as the page has it."""
    if not findings:
        return "no findings in this time\n"
    rows = [as_row(finding) for finding in findings]
    lines = [("FOUND AT", "TENANT", "WHAT", "AT STAKE")]
    lines += [(moment(row.found_at), row.tenant, row.kind, row.at_stake) for row in rows]
    lines = [tuple(_printable(text) for text in line) for line in lines]  # type: ignore[misc]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    heads = [
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    below = [[], *(_below(row) for row in rows)]
    return "".join(f"{line}\n" for head, more in zip(heads, below, strict=True) for line in (head, *more))


def _below(row: Row) -> list[str]:
    ids = ", ".join(part for part in (row.subject, row.ids) if part)
    return [f"    {_printable(text)}" for text in (*row.sentences, ids, row.link) if text]


def _printable(text: str) -> str:
    """Return the text without anything that a terminal would obey."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


FORMATS: Mapping[str, Callable[[Sequence[Finding]], str]] = {"table": _table, "json": _json, "csv": _csv}
"""By the name of `--format`: from findings to the text to print."""
