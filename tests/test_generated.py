"""What is made from code and checked in is current."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bw_exporter import catalog, generate
from bw_exporter.money import MINOR_UNITS

ROOT = Path(__file__).parent.parent


def test_the_metric_table_of_the_readme_is_current(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert generate.main(["--check"]) == 0, "run make generate"


def test_a_stale_table_is_told_and_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    readme = Path("README.md")
    readme.write_text(f"before\n{generate.BEGIN}\nold\n{generate.END}\nafter\n", encoding="utf-8")
    assert generate.main(["--check"]) == 1
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0
    text = readme.read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert all(f"`{family.name}`" in text for family in catalog.FAMILIES)


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
        "mode",
        "name",
        "version",
        "python",
    }
    for family in catalog.FAMILIES:
        for label in family.labels:
            assert "other" in label.values or label.name in closed, (family.name, label.name)


def test_every_currency_is_a_code_of_three_letters_or_other() -> None:
    assert all(re.fullmatch("[a-z]{3}|other", currency) for currency in MINOR_UNITS)
