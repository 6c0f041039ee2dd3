"""The rules of grafana/dashboard-linter, and some of our own, as docs/dashboards.md lists them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import yaml
from promql_parser import parse

from bw_exporter.metrics import catalog

from .board_files import (
    EXAMPLE,
    FOLDER,
    NAMES,
    ROOT,
    Json,
    Target,
    boards,
    filled,
    load,
    matchers,
    panels,
    selectors,
    targets,
    variables,
)

TEMPLATED = {"type": "prometheus", "uid": "${datasource}"}
UNITS = {"none", "short", "locale", "percent", "s", "bytes", "reqps", "wps", "cps", "dateTimeFromNow"}
"""Those of the linter's list that are used here."""
EXPORTED = {name for family in catalog.FAMILIES for name in family.sample_names}
COUNTERS = {name for family in catalog.FAMILIES if family.type != "gauge" for name in family.sample_names}
EXPORTER = "billingwatch-exporter.json"
OF_THE_JOB = EXPORTED | {"up", "scrape_duration_seconds", "scrape_samples_scraped"}

each_board = pytest.mark.parametrize("name", NAMES)


@each_board
def test_the_data_source_is_a_variable_and_everything_uses_it(name: str) -> None:
    board = load(name)
    (source,) = [one for one in variables(board).values() if one["type"] == "datasource"]
    assert (source["name"], source["label"], source["query"]) == ("datasource", "Data source", "prometheus")
    assert "__inputs" not in board
    for place in (
        *panels(board),
        *(target for panel in panels(board) for target in panel["targets"]),
        *(one for one in variables(board).values() if one["type"] == "query"),
        *board.get("annotations", {}).get("list", []),
    ):
        assert place["datasource"] == TEMPLATED, place


@each_board
def test_job_is_a_variable_of_several_values_and_so_is_instance_where_replicas_matter(name: str) -> None:
    found = variables(load(name))
    for label in ("job", *(["instance"] if name == EXPORTER else [])):
        variable = found[label]
        assert (variable["type"], variable["label"]) == ("query", label.title())
        assert (variable["multi"], variable["includeAll"]) == (True, True)
    assert "allValue" not in found["job"], "All are the jobs of the exporter, not all that Prometheus scrapes"


@each_board
def test_variables_are_read_again_when_the_time_changes_and_ask_valid_promql(name: str) -> None:
    for variable in variables(load(name)).values():
        if variable["type"] != "query":
            continue
        assert variable["refresh"] == 2
        match = re.fullmatch(r"label_values\((.+),\s*\w+\)", variable["query"])
        assert match
        parse(filled(match[1], EXAMPLE))
        assert variable["label"]


@each_board
def test_every_panel_has_queries_a_title_a_unit_and_says_what_is_normal(name: str) -> None:
    for panel in panels(load(name)):
        assert panel["title"].strip()
        assert re.search(r"Normal: \S", panel["description"]), panel["title"]
        assert panel["targets"], panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]
        assert panel["fieldConfig"]["defaults"]["noValue"], panel["title"]


@each_board
def test_every_query_is_promql_with_a_name_of_its_own(name: str) -> None:
    for target in targets(name):
        parse(filled(target.expr, EXAMPLE))
    for panel in panels(load(name)):
        refs = [one["refId"] for one in panel["targets"]]
        assert len(set(refs)) == len(refs)


@each_board
def test_exported_series_are_asked_of_the_chosen_job(name: str) -> None:
    for target in targets(name):
        asked = filled(target.expr, {**EXAMPLE, "job": "the chosen job", "instance": "the chosen instance"})
        for one in selectors(asked):
            if one.name in OF_THE_JOB:
                assert ("job", "=~", "the chosen job") in matchers(one), target


def test_the_exporters_dashboard_asks_the_chosen_instance_but_for_what_tenants_are_told() -> None:
    for target in targets(EXPORTER):
        asked = filled(target.expr, {**EXAMPLE, "instance": "the chosen instance"})
        for one in selectors(asked):
            if one.name in OF_THE_JOB and one.name.startswith(("billingwatch_", "up", "scrape_")):
                refusals_of_an_hour = "last_over_time" in asked
                assert ("instance", "=~", "the chosen instance") in matchers(one) or refusals_of_an_hour, (
                    target
                )


@each_board
def test_rates_are_of_series_over_the_rate_interval_and_never_of_sums(name: str) -> None:
    for target in targets(name):
        for call in re.finditer(r"\bi?rate\((.)(.*)", target.expr):
            assert re.match(r"[\w:]+\{[^}]*\}\[\$__rate_interval\]\)", call[1] + call[2]), target
        assert not re.search(r"\[[^\]]*:[^\]]*\]", target.expr), f"{target}: a subquery"


@each_board
def test_counters_are_shown_as_rates_or_as_exact_differences(name: str) -> None:
    for target in targets(name):
        found = [one for one in selectors(filled(target.expr, EXAMPLE)) if one.name in COUNTERS]
        for one in found:
            rated = f"rate({one.name}{{" in target.expr
            assert rated or any(other.name == one.name and other.offset for other in found), target


@each_board
def test_replicas_are_never_added_up(name: str) -> None:
    for target in targets(name):
        for one in _directly_aggregated(target, "sum"):
            assert one not in EXPORTED, target


def _directly_aggregated(target: Target, how: str) -> Iterator[str]:
    for match in re.finditer(rf"\b{how}\b(?: by \([^)]*\))?\s*\(\s*(?:rate\()?([\w:]+)\{{", target.expr):
        yield match[1]


@each_board
def test_the_dashboard_keeps_its_identity(name: str) -> None:
    board = load(name)
    assert re.fullmatch(r"billingwatch-[a-z]+", board["uid"])
    assert not board["editable"], "a change belongs into the code, or into a copy"
    assert "id" not in board or board["id"] is None
    assert "version" not in board


@each_board
def test_nothing_is_told_by_colour_alone(name: str) -> None:
    for panel in panels(load(name)):
        defaults = panel["fieldConfig"]["defaults"]
        if panel["type"] in {"stat", "state-timeline"} and len(defaults["thresholds"]["steps"]) > 1:
            assert _told_in_words(panel) or defaults["unit"] == "percent", panel["title"]
        for override in panel["fieldConfig"]["overrides"]:
            set_here = {one["id"] for one in override["properties"]}
            assert "color" not in set_here or "custom.lineStyle" in set_here, panel["title"]


def _told_in_words(panel: Json) -> bool:
    return any("text" in str(one) for one in panel["fieldConfig"]["defaults"]["mappings"])


def test_the_exceptions_beside_the_files_say_why_and_the_docs_list_every_rule() -> None:
    exceptions = yaml.safe_load((FOLDER / ".lint").read_text(encoding="utf-8"))["exclusions"]
    assert set(exceptions) == {"template-instance-rule", "target-job-rule", "target-instance-rule"}
    assert all(one["reason"] for one in exceptions.values())
    titles = {board["title"] for board in boards().values()}
    named = [entry["dashboard"] for one in exceptions.values() for entry in one.get("entries", [])]
    assert set(named) <= titles
    page = (ROOT / "docs" / "dashboards.md").read_text(encoding="utf-8")
    for rule in (
        "template-datasource-rule", "template-job-rule", "template-instance-rule", "template-label-promql-rule",
        "template-on-time-change-reload-rule", "panel-datasource-rule", "panel-title-description-rule",
        "panel-units-rule", "panel-no-targets-rule", "target-promql-rule", "target-rate-interval-rule",
        "target-job-rule", "target-instance-rule", "target-counter-agg-rule", "uneditable-dashboard-rule",
    ):  # fmt: skip
        assert rule in page, rule
