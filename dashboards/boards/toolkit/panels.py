"""Panels with what every one must have: title, what is normal, unit, queries on the chosen data source."""

from __future__ import annotations

from typing import Literal

from grafana_foundation_sdk.builders import common, dashboard, heatmap, stat, statetimeline
from grafana_foundation_sdk.builders import timeseries as series
from grafana_foundation_sdk.models import common as choices
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import heatmap as heatmap_choices

from boards.toolkit.parts import DATASOURCE, Query, Reading, mappings, option, targets, thresholds
from bw_rules.groups.build import RUNBOOK_BASE

BARS = "30m"
"""The least width of a bar of counts."""
RECORDED = "1m"
"""How often the rules record, and the exporter is usually scraped."""

Kind = Literal["lines", "bars", "steps"]
Lines = series.Panel
Number = stat.Panel
Timeline = statetimeline.Panel
Heat = heatmap.Panel


def lines(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    kind: Kind = "lines",
    width: int = 8,
    height: int = 8,
    label: str = "",
    decimals: int | None = None,
    interval: str = "",
) -> Lines:
    """Values over time; `bars` are counts of the time between two points, and stack to their sum."""
    panel = (
        series.Panel()
        .title(title)
        .description(description)
        .unit(unit)
        .datasource(DATASOURCE)
        .span(width)
        .height(height)
        .interval(interval or (BARS if kind == "bars" else RECORDED))
        .min(0)
        .axis_label(label)
        .line_width(2)
        .no_value("Nothing recorded in this time")
        .legend(
            common.VizLegendOptions()
            .display_mode(choices.LegendDisplayMode.TABLE)
            .placement(choices.LegendPlacement.BOTTOM)
            .show_legend(True)
            .calcs(["sum"] if kind == "bars" else ["lastNotNull", "max"])
        )
        .tooltip(
            common.VizTooltipOptions()
            .mode(choices.TooltipDisplayMode.MULTI)
            .sort(choices.SortOrder.DESCENDING)
        )
        .targets(targets(queries, instant=False))
    )
    if decimals is not None:
        panel.decimals(decimals)
    if kind == "bars":
        panel.draw_style(choices.GraphDrawStyle.BARS).fill_opacity(60).line_width(1)
        panel.bar_alignment(choices.BarAlignment.BEFORE)
        panel.stacking(common.StackingConfig().mode(choices.StackingMode.NORMAL).group("A"))
    if kind == "steps":
        panel.line_interpolation(choices.LineInterpolation.STEP_AFTER)
    return panel


def dashed(panel: Lines, ref: str, color: str, fill_below: str = "") -> Lines:
    """Draw the query `ref` of the panel as a dashed line, told from the others without its colour."""
    properties = [
        option("custom.lineStyle", {"fill": "dash", "dash": [10, 6]}),
        option("custom.lineWidth", 2),
        option("custom.fillOpacity", 0),
        option("color", {"mode": "fixed", "fixedColor": color}),
    ]
    if fill_below:
        properties.append(option("custom.fillBelowTo", fill_below))
    return panel.override_by_query(ref, properties)


def overlaid(panel: Lines) -> Lines:
    """Draw bars before one another instead of stacked: parts of a whole are not to be added to it."""
    return panel.stacking(common.StackingConfig().mode(choices.StackingMode.NONE).group("A")).fill_opacity(25)


def number(
    title: str,
    description: str,
    unit: str,
    query: Query,
    *readings: Reading,
    nothing: str,
    width: int = 6,
    decimals: int | None = None,
) -> Number:
    """The latest value, or the words for it; `nothing` stands where there is none."""
    panel = (
        stat.Panel()
        .title(title)
        .description(description)
        .unit(unit)
        .datasource(DATASOURCE)
        .span(width)
        .height(4)
        .no_value(nothing)
        .mappings(mappings(readings))
        .thresholds(thresholds(readings))
        .color_mode(choices.BigValueColorMode.BACKGROUND if readings else choices.BigValueColorMode.NONE)
        .graph_mode(choices.BigValueGraphMode.NONE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
        .targets(targets((query,), instant=True))
    )
    return panel if decimals is None else panel.decimals(decimals)


def timeline(
    title: str,
    description: str,
    query: Query,
    *readings: Reading,
    nothing: str,
    width: int = 24,
    height: int = 7,
) -> Timeline:
    """When something was so, in words on bars."""
    return (
        statetimeline.Panel()
        .title(title)
        .description(description)
        .unit("none")
        .datasource(DATASOURCE)
        .span(width)
        .height(height)
        .interval(RECORDED)
        .no_value(nothing)
        .mappings(mappings(readings))
        .thresholds(thresholds(readings))
        .show_value(choices.VisibilityMode.ALWAYS)
        .row_height(0.8)
        .legend(common.VizLegendOptions().show_legend(False))
        .targets(targets((query,), instant=False))
    )


def heat(title: str, description: str, query: Query, *, width: int = 12, height: int = 9) -> Heat:
    """A histogram's buckets over time, in seconds; the count of each cell is written on it."""
    return (
        heatmap.Panel()
        .title(title)
        .description(description)
        .unit("none")
        .datasource(DATASOURCE)
        .span(width)
        .height(height)
        .interval(BARS)
        .no_value("Nothing recorded in this time")
        .calculate(False)
        .y_axis(heatmap.YAxisConfig().unit("s").axis_label("lag at most"))
        .cell_values(heatmap.CellValues().unit("none").decimals(0))
        .show_value(choices.VisibilityMode.AUTO)
        .filter_values(heatmap.FilterValueRange().le(0.0))
        .color(
            heatmap.HeatmapColorOptions()
            .mode(heatmap_choices.HeatmapColorMode.SCHEME)
            .scheme("Cividis")
            .steps(32)
        )
        .targets(targets((query,), instant=False))
    )


def runbook(alert: str) -> dashboard.DashboardLink:
    """The link to an alert's runbook."""
    return (
        dashboard.DashboardLink(f"Runbook of {alert}")
        .type(model.DashboardLinkType.LINK)
        .url(f"{RUNBOOK_BASE}/{alert}.md")
        .target_blank(True)
    )
