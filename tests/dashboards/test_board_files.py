"""The dashboards as files: current, in Grafana's schema, and reading only what exists."""

from __future__ import annotations

import copy
import dataclasses
import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from boards import tenant
from boards.rows.detectors import drawn
from boards.toolkit.frame import EXPORTER_UID, OVERVIEW_UID, TAG, TENANT_UID
from bw_exporter.config import tenants
from bw_exporter.metrics import catalog
from bw_rules.detectors import DETECTORS, OFF_UNTIL_ASKED_FOR, THRESHOLDS
from bw_rules.groups import build, runbooks
from bw_rules.groups.rule import Alert
from bw_rules.toolkit.promql import Recording

from .board_files import (
    EXAMPLE,
    FOLDER,
    NAMES,
    ROOT,
    Json,
    all_targets,
    boards,
    filled,
    panels,
    selectors,
    variables,
)

ELSEWHERE = {
    "up", "scrape_duration_seconds", "scrape_samples_scraped", "ALERTS", "ALERTS_FOR_STATE",
    "prometheus_rule_evaluation_failures_total", "prometheus_rule_group_iterations_missed_total",
    "prometheus_rule_group_last_duration_seconds",
}  # fmt: skip
"""What Prometheus itself makes."""
BESIDE_THE_SCHEMA = {"step", "titleFormat", "textFormat"}
"""What Grafana's Prometheus reads of an annotation and the schema does not list."""
ALERTS = {page.removesuffix(".md") for page in runbooks.pages()}


@cache
def _groups() -> tuple[build.Group, ...]:
    """The rules of the example, with the detectors too that are off until asked for."""
    example = (ROOT / "rules" / "tenants.example.yaml").read_text()
    on = "".join(f"\n    {name}: {{enabled: true}}" for name in sorted(OFF_UNTIL_ASKED_FOR))
    with NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(example.replace("\n  detectors:", f"\n  detectors:{on}", 1))
        file.flush()
        asked_for = tenants.load(file.name, detectors=THRESHOLDS, read_secrets=False)
    return build.groups(asked_for, build.Settings())


def _recorded() -> set[str]:
    return {rule.name for group in _groups() for rule in group.rules if isinstance(rule, Recording)}


def _build(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "dashboards/build.py", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_files_are_what_would_be_built_now() -> None:
    done = _build("--check")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in FOLDER.glob("*.json")) == sorted(NAMES)


def test_a_stale_file_is_told_and_written_anew(tmp_path: Path) -> None:
    program = (
        "import sys; sys.path.insert(0, 'dashboards'); import build; from pathlib import Path; "
        f"sys.exit(build.main(sys.argv[1:], Path({str(tmp_path)!r})))"
    )

    def run(*arguments: str) -> int:
        return subprocess.run([sys.executable, "-c", program, *arguments], cwd=ROOT, check=False).returncode

    assert [run("--check"), run(), run("--check")] == [1, 0, 0]
    assert all((tmp_path / name).read_bytes() == (FOLDER / name).read_bytes() for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_field_is_one_that_grafana_knows(name: str) -> None:
    board = boards()[name]
    for one in board.get("annotations", {}).get("list", []):
        for field in BESIDE_THE_SCHEMA:
            one.pop(field)
    assert not _lost(board, _through_the_schema(board))


def test_a_field_that_grafana_does_not_know_is_noticed() -> None:
    board = boards()[NAMES[0]]
    for place in (board, board["panels"][0], board["panels"][0]["options"], board["panels"][0]["targets"][0]):
        wrong = copy.deepcopy(place)
        place["unheardOf"] = 1
        assert len(_lost(board, _through_the_schema(board))) == 1
        place.pop("unheardOf")
        assert place == wrong


def _lost(ours: Any, theirs: Any, path: str = "") -> list[str]:
    """Return what of ours the schema dropped or changed; what it adds are defaults."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return [
            line
            for key, value in ours.items()
            for line in _lost(value, theirs.get(key, "gone"), f"{path}/{key}")
        ]
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        return [
            line
            for place, (one, other) in enumerate(zip(ours, theirs, strict=True))
            for line in _lost(one, other, f"{path}/{place}")
        ]
    return [] if ours == theirs else [f"{path}: {ours} became {theirs}"]


def _through_the_schema(board: Json) -> Json:
    plugins.register_default_plugins()
    text = json.dumps(Dashboard.from_json(copy.deepcopy(board)), cls=JSONEncoder)
    found: Json = json.loads(text)
    return found


def test_every_metric_in_a_query_is_exported_or_recorded() -> None:
    exported = {name for family in catalog.FAMILIES for name in family.sample_names}
    known = exported | _recorded() | ELSEWHERE
    for target in all_targets():
        for one in selectors(filled(target.expr, EXAMPLE)):
            if one.name:
                assert one.name in known, f"{target}: {one.name}"
                continue
            pattern = next(m.value for m in one.matchers.matchers if m.name == "__name__")
            assert any(re.fullmatch(pattern, name) for name in known), f"{target}: {pattern}"


def test_every_family_is_on_some_dashboard() -> None:
    read = {str(one.name) for target in all_targets() for one in selectors(filled(target.expr, EXAMPLE))}
    through_rules = {
        str(one.name)
        for group in _groups()
        for rule in group.rules
        if isinstance(rule, Recording) and rule.name in read
        for one in selectors(rule.expr)
    }
    asked = " ".join(
        str(one.get("query")) for board in boards().values() for one in variables(board).values()
    )
    missing = {
        family.name
        for family in catalog.FAMILIES
        if not {*family.sample_names} & (read | through_rules) and family.name not in asked
    }
    assert missing <= {
        catalog.LAST_DUPLICATE.name,
        catalog.LAST_MISMATCH.name,
        catalog.LAST_FINDING.name,
        catalog.TENANT_UTC_OFFSET.name,
        catalog.CATCH_UP_INTERVAL.name,
    }, "findings are drawn as counts; a clock's offset and an interval are for the rules"


def test_every_threshold_that_the_rules_record_is_drawn_beside_its_value() -> None:
    asked = " ".join(target.expr for target in all_targets())
    levels = {name for name in _recorded() if ":threshold" in name}
    shapes = re.findall(r'__name__=~"([^"]+)"', asked) + re.findall(r"tenant:[\w:]+", asked)
    assert len(levels) >= len(DETECTORS)
    for level in levels:
        assert any(re.fullmatch(shape, level) for shape in shapes), level
    assert sorted(one.detector for one in drawn()) == sorted(DETECTORS)


def test_a_detectors_panel_shows_when_its_own_alert_fired() -> None:
    board = boards()["billing-tenant.json"]
    by_id = {panel["id"]: panel for panel in panels(board)}
    marks = {one["name"]: one for one in board["annotations"]["list"]}
    assert set(marks) == {one.alert for one in DETECTORS.values()}
    for alert, mark in marks.items():
        (panel_id,) = mark["filter"]["ids"]
        assert [link["url"].rpartition("/")[2] for link in by_id[panel_id]["links"]] == [f"{alert}.md"]
        assert f'alertname="{alert}"' in mark["expr"]


def test_a_new_detector_is_drawn_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    failures = dataclasses.replace(
        DETECTORS["charge_failure_spike"],
        alert="BillingPayoutFailure",
        summary="A payout failed.",
        panel=None,
    )
    monkeypatch.setattr("boards.rows.detectors.DETECTORS", {**DETECTORS, "payout_failure": failures})
    thresholds = {**THRESHOLDS, "payout_failure": THRESHOLDS["charge_failure_spike"]}
    monkeypatch.setattr("boards.rows.detectors.THRESHOLDS", thresholds)
    board: Json = json.loads(json.dumps(tenant.board(), cls=JSONEncoder))
    panel = next(one for one in panels(board) if one["title"] == "A payout failed")
    mark = next(one for one in board["annotations"]["list"] if one["name"] == "BillingPayoutFailure")
    assert mark["filter"]["ids"] == [panel["id"]]
    assert [len(selectors(filled(one["expr"], EXAMPLE))) for one in panel["targets"]] == [2, 1]
    _assert_laid_out({"with one more": board})


def test_panels_do_not_overlap_and_have_numbers_of_their_own() -> None:
    _assert_laid_out(boards())


def _assert_laid_out(found: dict[str, Json]) -> None:
    for board in found.values():
        taken: set[tuple[int, int]] = set()
        for panel in board["panels"]:
            at = panel["gridPos"]
            cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
            assert not cells & taken, panel["title"]
            assert at["x"] + at["w"] <= 24
            taken |= cells
        ids = [panel["id"] for panel in board["panels"]]
        assert len(set(ids)) == len(ids)


def test_links_lead_to_dashboards_and_runbooks_that_exist() -> None:
    by_uid = {board["uid"]: board for board in boards().values()}
    for board in by_uid.values():
        for url in _urls(board):
            if url.startswith(build.RUNBOOK_BASE):
                name = url.removeprefix(build.RUNBOOK_BASE).removeprefix("/")
                pages = [f"{alert}.md" for alert in ALERTS] if "${__value.raw}" in name else [name]
                for page in pages:
                    assert (ROOT / "docs" / "runbooks" / page).exists(), url
                continue
            parts = urlsplit(url)
            assert parts.path.removeprefix("/d/") in by_uid, url
            asked = {key.removeprefix("var-") for key in parse_qs(parts.query) if key.startswith("var-")}
            assert asked <= set(variables(by_uid[parts.path.removeprefix("/d/")])), url


def test_the_dashboards_link_to_one_another_and_carry_the_data_source_alone() -> None:
    """On a board of one tenant, the choice of all of them would be a tenant that does not exist: all clear, wrongly."""
    uids = {OVERVIEW_UID, TENANT_UID, EXPORTER_UID}
    for board in boards().values():
        assert board["tags"] == [TAG]
        links = [link for link in board["links"] if link["url"].startswith("/d/")]
        assert {urlsplit(link["url"]).path.removeprefix("/d/") for link in links} == uids - {board["uid"]}
        assert {urlsplit(link["url"]).query for link in links} == {"${datasource:queryparam}"}
        assert not any(link.get("includeVars") for link in board["links"])


def test_a_number_that_can_be_good_is_red_where_there_is_none() -> None:
    for board in boards().values():
        for panel in (one for one in panels(board) if one["type"] == "stat"):
            steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
            if any(step["color"] == "green" and step["value"] is not None for step in steps):
                assert steps[0] == {"color": steps[0]["color"], "value": None}
                assert steps[0]["color"] in {"red", "text"}, panel["title"]
        assert all(
            step["color"] != "green"
            for panel in panels(board)
            for step in panel["fieldConfig"]["defaults"].get("thresholds", {}).get("steps", [])[:1]
        )


def test_the_words_for_an_empty_table_do_not_stand_in_its_cells() -> None:
    for board in boards().values():
        for panel in (one for one in panels(board) if one["type"] == "table"):
            first = panel["fieldConfig"]["overrides"][0]
            assert first["matcher"] == {"id": "byRegexp", "options": ".*"}, panel["title"]
            assert first["properties"] == [{"id": "noValue", "value": "-"}]


def test_alerts_lead_to_a_dashboard_of_ours_with_variables_that_it_has() -> None:
    by_uid = {board["uid"]: board for board in boards().values()}
    assert set(by_uid) == {OVERVIEW_UID, TENANT_UID, EXPORTER_UID}
    for rule in (rule for group in _groups() for rule in group.rules if isinstance(rule, Alert)):
        url = urlsplit(dict(rule.annotations)["dashboard_url"])
        board = by_uid[url.path.rpartition("/")[2]]
        asked = {key.removeprefix("var-") for key in parse_qs(url.query)}
        taken = {name for name, one in variables(board).items() if not one.get("skipUrlSync")}
        assert asked <= taken, rule.name


def _urls(board: Json) -> list[str]:
    found = [link["url"] for link in board["links"] if link["type"] == "link"]
    for panel in panels(board):
        found += [link["url"] for link in panel.get("links", [])]
        for override in panel["fieldConfig"]["overrides"]:
            for one in override["properties"]:
                found += [link["url"] for link in one["value"]] if one["id"] == "links" else []
    return found
