"""Bars of exact counts and amounts, each bar the time since the one before it."""

from __future__ import annotations

from boards.toolkit import panels
from boards.toolkit.panels import Lines
from boards.toolkit.parts import Query
from boards.toolkit.queries import CURRENCY, ONE, STEP, rise, whole_units
from bw_exporter.metrics.family import Family


def counts(
    title: str,
    description: str,
    *parts: tuple[Family, str] | tuple[Family, str, str],
    width: int = 8,
    stacked: bool = True,
) -> Lines:
    """Counts of whole families side by side."""
    queries = []
    for family, legend, *where in parts:
        by = ", ".join(family.label_names)
        queries.append(Query(rise(family.name, by, STEP, ONE, *where, total="tenant"), legend))
    panel = panels.lines(title, description, "short", *queries, kind="bars", width=width)
    return panel if stacked else panels.overlaid(panel)


def split(title: str, description: str, family: Family, label: str, *, width: int = 8) -> Lines:
    """Counts of one family by its label; a value that is exported and did not occur is shown as 0."""
    expr = rise(family.name, f"tenant, {label}", STEP, ONE)
    query = Query(expr, f"{{{{{label}}}}}")
    return panels.lines(title, description, "short", query, kind="bars", width=width)


def amounts(title: str, description: str, *parts: tuple[Family, str], width: int = 8) -> Lines:
    """Money of families in the chosen currency."""
    queries = [
        Query(whole_units(rise(family.name, "tenant, currency", STEP, ONE, CURRENCY)), legend)
        for family, legend in parts
    ]
    panel = panels.lines(title, description, "locale", *queries, kind="bars", width=width, label="$currency")
    return panels.overlaid(panel)
