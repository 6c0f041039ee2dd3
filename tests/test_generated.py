"""What is made from code and checked in is current."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import promql_parser
import pytest

from bw_exporter.metrics import catalog
from bw_exporter.metrics.money import MINOR_UNITS
from reference import exporter_pages, marks
from reference.examples import example

ROOT = Path(__file__).parent.parent


def test_the_pages_made_from_code_are_current(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert exporter_pages.main(["--check"]) == 0, "run make generate"


def test_a_stale_page_is_told_and_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    monkeypatch.chdir(tmp_path)
    page = Path("docs/metrics.md")
    current = page.read_text(encoding="utf-8")
    page.write_text(current.replace("- gauge", "- gouge"), encoding="utf-8")
    assert exporter_pages.main(["--check"]) == 1
    assert exporter_pages.main([]) == 0
    assert page.read_text(encoding="utf-8") == current
    assert exporter_pages.main(["--check"]) == 0


def test_a_page_without_its_marks_is_not_written_over() -> None:
    with pytest.raises(ValueError, match="lacks the marks"):
        marks.between("# A page\n", "maker", "part", "text")


def test_every_metric_has_a_section_of_the_reference_and_a_query_that_parses() -> None:
    text = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
    names = {name for family in catalog.FAMILIES for name in family.sample_names}
    for family in catalog.FAMILIES:
        assert f"\n## {family.name}\n" in text
        query = example(family)[1]
        promql_parser.parse(query)
        assert set(re.findall(r"\bbilling\w+", query)) <= names, query


def test_family_numbers_and_names_are_never_shared() -> None:
    numbers = [family.number for family in catalog.FAMILIES]
    names = [name for family in catalog.FAMILIES for name in family.sample_names]
    assert len(set(numbers)) == len(numbers)
    assert len(set(names)) == len(names)


def test_every_label_has_a_value_for_what_is_not_listed() -> None:
    closed = {
        "direction",
        "verdict",
        "reason",
        "result",
        "outcome",
        "change",
        "movement",
        "mode",
        "name",
        "version",
        "python",
        "family",
        "kind",
    }
    for family in catalog.FAMILIES:
        for label in family.labels:
            assert "other" in label.values or label.name in closed, (family.name, label.name)


def test_every_currency_is_a_code_of_three_letters_or_other() -> None:
    assert all(re.fullmatch("[a-z]{3}|other", currency) for currency in MINOR_UNITS)
