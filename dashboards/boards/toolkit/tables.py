"""Tables: one row for each set of labels, the values of several queries side by side."""

from __future__ import annotations

from dataclasses import dataclass

from grafana_foundation_sdk.builders import common
from grafana_foundation_sdk.builders import table as tables
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from boards.toolkit.parts import DATASOURCE, Query, Reading, mappings, option, targets

Table = tables.Panel


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: the field's name as the queries give it, its heading, and how it is shown.

    A `field` of one letter is the value of the query of that letter.
    """

    field: str
    heading: str
    unit: str = ""
    decimals: int | None = None
    readings: tuple[Reading, ...] = ()
    link_title: str = ""
    link_url: str = ""
    width: int = 0


def table(
    title: str,
    description: str,
    columns: tuple[Column, ...],
    *queries: Query,
    sort: str,
    descending: bool = True,
    nothing: str,
    unit: str = "none",
    width: int = 24,
    height: int = 8,
) -> Table:
    """One row for each set of labels, the queries' values side by side; other fields are left out."""
    single = len(queries) == 1
    names = {
        column.field: ("Value" if single else f"Value #{column.field}")
        if len(column.field) == 1
        else column.field
        for column in columns
    }
    panel = (
        tables.Panel()
        .title(title)
        .description(description)
        .unit(unit)
        .datasource(DATASOURCE)
        .span(width)
        .height(height)
        .no_value(nothing)
        .filterable(True)
        .sort_by([common.TableSortByFieldState().display_name(sort).desc(descending)])
        .targets(targets(queries, instant=True, form=PromQueryFormat.TABLE))
    )
    if not single:
        panel.with_transformation(model.DataTransformerConfig(id_val="merge", options={}))
    headings = [(names[column.field], column.heading) for column in columns]
    panel.with_transformation(
        model.DataTransformerConfig(
            id_val="filterFieldsByName", options={"include": {"names": [name for name, _ in headings]}}
        )
    )
    panel.with_transformation(
        model.DataTransformerConfig(
            id_val="organize",
            options={
                "indexByName": {name: place for place, (name, _) in enumerate(headings)},
                "renameByName": dict(headings),
            },
        )
    )
    # The words for an empty table would stand in each cell without a value too.
    panel.override_by_regexp(".*", [option("noValue", "-")])
    for column in columns:
        if properties := _column(column):
            panel.override_by_name(column.heading, properties)
    return panel


def _column(column: Column) -> list[model.DynamicConfigValue]:
    properties = []
    if column.unit:
        properties.append(option("unit", column.unit))
    if column.decimals is not None:
        properties.append(option("decimals", column.decimals))
    if column.readings:
        properties.append(option("mappings", mappings(column.readings)))
        properties.append(option("custom.cellOptions", {"type": "color-text"}))
    if column.width:
        properties.append(option("custom.width", column.width))
    if column.link_url:
        link = {"title": column.link_title, "url": column.link_url}
        properties.append(option("links", [link]))
    return properties
