"""What came of a trial, for people (a table, Markdown) and for programs (JSON)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from bw_rules.detectors import DETECTORS

if TYPE_CHECKING:
    from bw_rules.backtest.trial import Episode, Result

_MONTH = 30 * 86_400
FORMATS = ("table", "json", "markdown")

Table = Sequence[Sequence[str]]


def written(result: Result, form: str) -> str:
    """Return the report in one of FORMATS, ending with a newline."""
    if form == "json":
        return json.dumps(_document(result), indent=2) + "\n"
    write: Callable[[Table], list[str]] = _markdown if form == "markdown" else _columns
    judged = sum(bool(one.judged_at) for one in result.tenants)
    lines = [
        f"{moment(result.start_at)} to {moment(result.end_at)} (UTC), {judged} tenant{'s' * (judged != 1)}",
        "",
        *write(_each_month(result)),
    ]
    if result.episodes:
        lines += ["", *write(_each(result))]
    return "\n".join(lines) + "\n"


def a_month(result: Result, variant: str, detector: str, tenant: str) -> float:
    """Return how many alerts a detector would have raised in 30 days of a tenant."""
    judged = sum(
        result.end_at - one.judged_at[detector]
        for one in result.tenants
        if one.tenant == tenant and detector in one.judged_at
    )
    number = sum(
        (one.variant, one.detector, one.tenant) == (variant, detector, tenant) for one in result.episodes
    )
    return number * _MONTH / judged if judged else 0.0


def not_judged(result: Result) -> list[str]:
    """Return a line for each detector that has too little past of some tenants, with what to do."""
    lines = []
    for detector in result.detectors:
        short = [one.tenant for one in result.tenants if detector not in one.judged_at]
        if short:
            named = ", ".join(short[:5]) + (f" and {len(short) - 5} more" if len(short) > 5 else "")  # noqa: PLR2004
            lines.append(
                f"{detector} is not judged for {named}: it is off there, or Prometheus has too little of their past"
            )
    return lines


def _each_month(result: Result) -> Table:
    """Return a row for each tenant's detector that fired with any thresholds, and for all tenants together."""
    rows = [["tenant", "alert", *(f"a month, {name}" for name in result.variants)]]
    for tenant, detector in sorted({(one.tenant, one.detector) for one in result.episodes}):
        counts = [f"{a_month(result, name, detector, tenant):.1f}" for name in result.variants]
        rows.append([tenant, DETECTORS[detector].alert, *counts])
    totals = [
        sum(
            a_month(result, name, detector, one.tenant)
            for detector in result.detectors
            for one in result.tenants
        )
        for name in result.variants
    ]
    return [*rows, ["all", "all", *(f"{total:.1f}" for total in totals)]]


def _each(result: Result) -> Table:
    several = len(result.variants) > 1
    rows = [
        ["begin", "length", "tenant", "alert", "value", "weeks", *(["with"] if several else []), "evidence"]
    ]
    for one in result.episodes:
        of = ", ".join(value for _, value in one.labels)
        rows.append(
            [
                moment(one.begin_at),
                length(one),
                one.tenant,
                one.alert + (f" ({of})" if of else ""),
                f"{one.value:.6g}",
                "" if one.weeks is None else str(one.weeks),
                *([one.variant] if several else []),
                one.description,
            ]
        )
    return rows


def _document(result: Result) -> dict[str, Any]:
    return {
        "start_at": result.start_at,
        "end_at": result.end_at,
        "tenants": [
            {"tenant": one.tenant, "known_at": one.known_at, "judged_at": dict(one.judged_at)}
            for one in result.tenants
        ],
        "alerts_a_month": [
            {
                "variant": name,
                "detector": detector,
                "tenant": one.tenant,
                "alerts": a_month(result, name, detector, one.tenant),
            }
            for name in result.variants
            for detector in result.detectors
            for one in result.tenants
            if detector in one.judged_at
        ],
        "episodes": [
            {
                "variant": one.variant,
                "detector": one.detector,
                "alert": one.alert,
                "tenant": one.tenant,
                "labels": dict(one.labels),
                "severity": one.severity,
                "begin_at": one.begin_at,
                "end_at": one.end_at,
                "value": one.value,
                "weeks": one.weeks,
                "description": one.description,
            }
            for one in result.episodes
        ],
    }


def _columns(rows: Table) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def _markdown(rows: Table) -> list[str]:
    head, *others = rows
    return [_row(head), _row(["---"] * len(head)), *map(_row, others)]


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def moment(at: int) -> str:
    """Return a time (Unix seconds) for people, in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")


def length(one: Episode) -> str:
    """Return how long an episode lasted, for people."""
    if one.end_at is None:
        return "still fires"
    minutes = (one.end_at - one.begin_at) // 60
    days, rest = divmod(minutes, 24 * 60)
    hours, minutes = divmod(rest, 60)
    parts = ((days, "d"), (hours, "h"), (minutes, "m"))
    return "".join(f"{number}{unit}" for number, unit in parts if number) or "0m"
