"""What panels are made of: queries, and numbers read in words."""

from __future__ import annotations

from dataclasses import dataclass
from string import ascii_uppercase

from grafana_foundation_sdk.builders import dashboard, prometheus
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

DATASOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a panel and the name of its result."""

    expr: str
    legend: str = ""
    heatmap: bool = False


def targets(
    queries: tuple[Query, ...], *, instant: bool, form: PromQueryFormat = PromQueryFormat.TIME_SERIES
) -> list[Builder[Dataquery]]:
    """Return the queries as Grafana has them, named A, B, C and so on."""
    built: list[Builder[Dataquery]] = []
    for ref, query in zip(ascii_uppercase, queries, strict=False):
        target = prometheus.Dataquery().expr(query.expr).ref_id(ref).datasource(DATASOURCE)
        target.format(PromQueryFormat.HEATMAP if query.heatmap else form)
        target.legend_format(query.legend or "__auto")
        built.append(target.instant() if instant else target.range())
    return built


_LOWEST = -1e12
"""Below every number that is read in words."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a number means, in words: from `low` to `high`, both included; None is unbounded."""

    low: float | None
    high: float | None
    text: str
    color: str


def mappings(readings: tuple[Reading, ...]) -> list[model.ValueMapping]:
    """Return the words that stand for numbers."""
    found: list[model.ValueMapping] = []
    for place, one in enumerate(readings):
        if not one.text:
            continue
        result = model.ValueMappingResult(text=one.text, color=one.color, index=place)
        if one.low is not None and one.low == one.high:
            found.append(model.ValueMap(options={f"{one.low:g}": result}))
        else:
            span = model.DashboardRangeMapOptions(from_val=one.low, to=one.high, result=result)
            found.append(model.RangeMap(options=span))
    return found


def thresholds(readings: tuple[Reading, ...]) -> dashboard.ThresholdsConfig:
    """The same boundaries for the background, as numbers without words of their own are coloured by it.

    The lowest colour is also that of no number at all. Where a number can be good that is red: not to know is trouble.
    """
    unbounded = not readings or readings[0].low is None
    steps = [model.Threshold(value=None, color="text" if unbounded else "red")]
    steps += [
        model.Threshold(value=_LOWEST if one.low is None else one.low, color=one.color) for one in readings
    ]
    return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(steps)


def option(name: str, value: object) -> model.DynamicConfigValue:
    """Return one setting of the fields that a query or a name picks."""
    return model.DynamicConfigValue(id_val=name, value=value)
