"""What the dashboards have in common: names, variables, links, and rows of panels."""

from __future__ import annotations

from dataclasses import dataclass

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as model

from boards.toolkit.parts import DATASOURCE
from boards.toolkit.queries import JOB
from bw_exporter.metrics import catalog
from bw_rules.groups.build import DASHBOARD_UID, RUNBOOK_BASE

OVERVIEW_UID = "billingwatch-overview"
TENANT_UID = DASHBOARD_UID
EXPORTER_UID = "billingwatch-exporter"
"""Alerts link to the last two, so none may change."""
_BOARDS = {OVERVIEW_UID: "All tenants", TENANT_UID: "One tenant", EXPORTER_UID: "Exporter"}
TAG = "billingwatch"
TO_TENANT = (
    f"/d/{TENANT_UID}?var-datasource=${{datasource}}&var-tenant=${{__value.raw}}&${{__url_time_range}}"
)
"""The link of a cell that holds a tenant."""
TO_RUNBOOK = f"{RUNBOOK_BASE}/${{__value.raw}}.md"
"""The link of a cell that holds an alert's name."""
_EVERYTHING = model.VariableOption(selected=True, text="All", value="$__all")


@dataclass(frozen=True)
class Row:
    """Panels under a heading; without one they stand at the top."""

    title: str
    panels: tuple[Builder[model.Panel], ...]


class _Query(dashboard.QueryVariable):
    """A variable filled by label_values(); a hidden one follows from the others and is never taken from a URL."""

    def build(self) -> model.VariableModel:
        found = super().build()
        if found.hide is model.VariableHide.HIDE_VARIABLE:
            found.skip_url_sync = True
        return found


def datasource() -> dashboard.DatasourceVariable:
    """The Prometheus to ask."""
    return (
        dashboard.DatasourceVariable("datasource")
        .label("Data source")
        .description("The Prometheus that scrapes the exporter and has its rules.")
        .type("prometheus")
        .current(model.VariableOption(selected=False, text="default", value="default"))
    )


def job() -> dashboard.QueryVariable:
    """The exporter's scrape job; one, unless it was renamed."""
    return _all(
        _labels("job", "Job", "The exporter's scrape job.", f"label_values({catalog.TENANT_INFO.name}, job)")
    )


def instance() -> dashboard.QueryVariable:
    """The exporter's replicas."""
    query = f"label_values({catalog.BUILD_INFO.name}{{{JOB}}}, instance)"
    return _all(_labels("instance", "Instance", "Replicas of the exporter.", query))


def tenant(*, several: bool) -> dashboard.QueryVariable:
    """One tenant, or any number of them."""
    query = f"label_values({catalog.TENANT_INFO.name}{{{JOB}}}, tenant)"
    variable = _labels("tenant", "Tenant", "As named in tenants.yaml.", query)
    return _all(variable).all_value(".+") if several else variable


def currency(where: str, *, several: bool) -> dashboard.QueryVariable:
    """Currencies that brought in money; amounts in others than Stripe's list cannot be told apart and are left out."""
    query = f"label_values({catalog.REVENUE.name}{{{JOB},{where}}}, currency)"
    variable = _labels("currency", "Currency", "Currencies that the tenant takes.", query)
    variable.regex("/^(?!other$).*$/")
    return _all(variable).all_value(".+") if several else variable


def hidden(name: str, query: str, regex: str) -> dashboard.QueryVariable:
    """A variable that nobody chooses: the part of the values of `query` that the regex's group names."""
    return _labels(name, name, "", query).regex(regex).hide(model.VariableHide.HIDE_VARIABLE)


def assemble(
    title: str,
    uid: str,
    description: str,
    variables: tuple[Builder[model.VariableModel], ...],
    rows: tuple[Row, ...],
    annotations: tuple[Builder[model.AnnotationQuery], ...] = (),
    since: str = "now-24h",
) -> model.Dashboard:
    """Return the whole dashboard, its panels numbered in reading order."""
    board = (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags([TAG])
        .readonly()
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .time(since, "now")
        .timezone("browser")
        .refresh("1m")
        .variables(list(variables))
        .annotations(list(annotations))
    )
    for link in (*_siblings(uid), _runbooks()):
        board.link(link)
    for row in rows:
        if row.title:
            board.with_row(dashboard.Row(row.title))
        for panel in row.panels:
            board.with_panel(panel)
    built = board.build()
    for number, panel_or_row in enumerate(built.panels or [], 1):
        panel_or_row.id_val = number
    return built


def _labels(name: str, label: str, description: str, query: str) -> dashboard.QueryVariable:
    return (
        _Query(name)
        .label(label)
        .description(description)
        .datasource(DATASOURCE)
        .query(query)
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
    )


def _all(variable: dashboard.QueryVariable) -> dashboard.QueryVariable:
    return variable.multi(True).include_all(True).current(_EVERYTHING)


def _siblings(uid: str) -> list[dashboard.DashboardLink]:
    """Links to the other boards. They carry the data source alone: "all tenants" is nobody on a board of one tenant."""
    return [
        dashboard.DashboardLink(title)
        .type(model.DashboardLinkType.LINK)
        .url(f"/d/{other}?${{datasource:queryparam}}")
        .keep_time(True)
        for other, title in _BOARDS.items()
        if other != uid
    ]


def _runbooks() -> dashboard.DashboardLink:
    return (
        dashboard.DashboardLink("Runbooks")
        .type(model.DashboardLinkType.LINK)
        .url(RUNBOOK_BASE)
        .icon("doc")
        .target_blank(True)
    )
